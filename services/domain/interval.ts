/** Milliseconds since 1970-01-01T00:00Z. */
export type Instant = number;
/** Half-open: [start, end). */
export type Interval = { readonly start: Instant; readonly end: Instant };
/** A dated link: holds from `from` (inclusive) until `to` (exclusive); `to` null = still holding. */
export type Dated = { readonly from: Instant; readonly to: Instant | null };

export const MINUTE = 60_000;
export const HOUR = 3_600_000;
/** 24 hours: for spans, never for stepping from civil day to civil day. */
export const DAY = 86_400_000;

export const holdsAt = (link: Dated, at: Instant): boolean => link.from <= at && (link.to === null || at < link.to);

/** True when the link holds through the whole interval. */
export const holdsThrough = (link: Dated, span: Interval): boolean =>
  link.from <= span.start && (link.to === null || span.end <= link.to);

export const overlaps = (a: Interval, b: Interval): boolean => a.start < b.end && b.start < a.end;

export const contains = (span: Interval, at: Instant): boolean => span.start <= at && at < span.end;

/** ISO-8601 in UTC with whole seconds where they are whole: `2026-05-01T12:30:00Z`. */
export const iso = (at: Instant): string => new Date(at).toISOString().replace('.000Z', 'Z');
