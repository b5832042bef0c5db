/** A part of what went on, for who asks where the time went and what followed from what. */
export type Span = {
  readonly name: string;
  /** `server`: a call was answered; `consumer`: a fact was handled; `producer`: something was sent out; `internal`: due work. */
  readonly kind: 'server' | 'consumer' | 'producer' | 'internal';
  /** What it follows from, when that is not what goes on now: a traceparent that came along, or was kept. */
  readonly because?: string;
  /** It may begin a trace of its own; anything else that follows from nothing is not kept. */
  readonly begins?: boolean;
  /** Ids are allowed here, names of persons are not. */
  readonly about?: Readonly<Record<string, string | number>>;
};
/** Traces of OpenTelemetry behind a switch: off, nothing is made and nothing is remembered. */
export type Trace = {
  /** Does `work` as this span; what fails marks it. */
  span<T>(span: Span, work: () => Promise<T>): Promise<T>;
  /** Names what goes on now, so that what follows later can say so (W3C traceparent); empty: nothing that is kept. */
  here(): string;
  /** What is finished and not yet sent gets a moment. */
  stop(): Promise<void>;
};

export const noTrace: Trace = { span: (_, work) => work(), here: () => '', stop: async () => {} };
