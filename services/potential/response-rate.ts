import { invalid } from '../domain/outcome.ts';

/** Share of the flexible load that answers a call, and what it may as well be: 5, 50 and 95 %. */
export type ResponseRate = {
  readonly value: number;
  /** Null = taken as it is: the interval of the megawatts does not cover it. */
  readonly interval: readonly [low: number, high: number] | null;
  /** `unmeasured`: a planning value, for the past events that were given told none. */
  readonly basis: 'planning' | 'given' | 'measured' | 'unmeasured';
  /** Events it was measured at; 0 = it was not. */
  readonly events: number;
};

/**
 * A planning value, not a finding: pilots of direct control and of price signals have seen a tenth to a half of what they aimed at. A pilot of
 * one's own (`--event-days`) measures what it is here.
 */
export const PLANNING_RATE: ResponseRate = { value: 0.3, interval: [0.1, 0.5], basis: 'planning', events: 0 };

/** `0.3`, or `0.2/0.3/0.45`: low, expected, high. Throws Refusal `usage`. */
export function readRate(text: string): ResponseRate {
  const parts = text.split('/').map((part) => (/^\d(\.\d+)?$/.test(part) ? Number(part) : Number.NaN));
  const fits = parts.every((part, i) => part <= 1 && (i === 0 || part >= parts[i - 1]!));
  if (!fits || (parts.length !== 1 && parts.length !== 3))
    throw invalid(
      'usage',
      `--response must be a share 0 to 1, or low/expected/high as 0.2/0.3/0.45, or category=share,…, not ${text}`,
    );
  const [low, value, high] = parts.length === 1 ? [parts[0]!, parts[0]!, parts[0]!] : (parts as [number, number, number]);
  return { value, interval: parts.length === 1 ? null : [low, high], basis: 'given', events: 0 };
}

/** The normal quantile for 90 % between both ends. */
const Z_90 = 1.6449;

/** A rate that a draw of a standard normal stands for: 5, 50 and 95 % are those of the interval; never beyond 0 … 1. */
export function rateAt({ value, interval }: ResponseRate, normal: number): number {
  if (interval === null) return value;
  const reach = normal < 0 ? value - interval[0] : interval[1] - value;
  return Math.min(1, Math.max(0, value + (normal / Z_90) * reach));
}

/** A standard normal from two numbers in [0, 1): Box and Muller 1958. */
export const normalOf = (a: number, b: number): number => Math.sqrt(-2 * Math.log(1 - a)) * Math.cos(2 * Math.PI * b);
