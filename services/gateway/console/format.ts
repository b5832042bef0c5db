// Pure: what is shown is a function of the value, the locale and the zone named.
const MINUTE = 60_000;
export const INDIA = 'Asia/Kolkata';

/** ₹ from micro-rupees, to the paisa, halves away from zero, in Indian grouping: "₹1,23,456.50". Never through a float. */
export function rupees(micros: string | bigint): string {
  const exact = BigInt(micros);
  const paise = ((exact < 0n ? -exact : exact) + 5_000n) / 10_000n;
  const whole = new Intl.NumberFormat('en-IN').format(paise / 100n);
  return `${exact < 0n && paise > 0n ? '−' : ''}₹${whole}.${String(paise % 100n).padStart(2, '0')}`;
}

/** As above with its sign, for a change. */
export const rupeesChange = (micros: string): string => (BigInt(micros) > 0n ? `+${rupees(micros)}` : rupees(micros));

const decimals = (value: number, least: number, most: number): string =>
  new Intl.NumberFormat('en-IN', { minimumFractionDigits: least, maximumFractionDigits: most })
    .format(value === 0 ? 0 : value)
    .replace('-', '−');

/** "12.35 kWh" from Wh. */
export const kWh = (wh: string | number): string => `${decimals(Number(wh) / 1000, 2, 2)} kWh`;
/** kWh as a bare figure, for table columns that name the unit; three places, so that no Wh is lost. */
export const kWhFigure = (wh: string | number): string => decimals(Number(wh) / 1000, 3, 3);

/** "1.25", "45.2", "1,250": about three figures that mean something. */
export function kWFigure(w: string | number): string {
  const kW = Number(w) / 1000;
  const places = Math.abs(kW) < 10 ? 2 : Math.abs(kW) < 1000 ? 1 : 0;
  return decimals(kW, places, places);
}
export const kW = (w: string | number): string => `${kWFigure(w)} kW`;
export const percent = (ppm: number): string => `${decimals(ppm / 10_000, 0, 1)} %`;
export const count = (value: number): string => new Intl.NumberFormat('en-IN').format(value);

type Words = { locale: string; zone: string };
export const clockTime = (ms: number, { locale, zone }: Words): string =>
  new Intl.DateTimeFormat(locale, { timeZone: zone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(ms);
export const dayName = (ms: number, { locale, zone }: Words): string =>
  new Intl.DateTimeFormat(locale, { timeZone: zone, weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' }).format(
    ms,
  );
export const dayAndTime = (ms: number, words: Words): string => `${dayName(ms, words)}, ${clockTime(ms, words)}`;

/** "18:00–20:00". */
export const hours = ({ startMs, endMs }: { startMs: string; endMs: string }, words: Words): string =>
  `${clockTime(Number(startMs), words)}–${clockTime(Number(endMs), words)}`;
/** Minutes of a civil day as "18:30"; 1440 is "24:00". */
export const minuteOfDay = (minute: number): string =>
  `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`;

/** The civil day of an instant, "2026-05-12". */
export const civilDay = (ms: number, zone: string): string =>
  new Intl.DateTimeFormat('en-CA', { timeZone: zone, year: 'numeric', month: '2-digit', day: '2-digit' }).format(ms);

/** Minutes since the day's midnight. */
export function minuteAt(ms: number, zone: string): number {
  const [hour, minute] = clockTime(ms, { locale: 'en-GB', zone }).split(':').map(Number);
  return hour! * 60 + minute!;
}

/** The instant of a wall-clock minute of a civil day in a zone. Where clocks jump it settles on one of the two offsets. */
export function instantOf(day: string, minute: number, zone: string): number {
  const wall = Date.parse(`${day}T00:00:00Z`) + minute * MINUTE;
  const offsetAt = (ms: number) => Date.parse(`${civilDay(ms, zone)}T00:00:00Z`) + minuteAt(ms, zone) * MINUTE - ms;
  const guess = wall - offsetAt(wall);
  return wall - offsetAt(guess);
}

const INSTANT = /\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?Z/g;
/** A sentence of the server with its instants in the zone of the programme. */
export const inZone = (sentence: string, words: Words): string =>
  sentence.replace(INSTANT, (instant) => dayAndTime(Date.parse(instant), words));

/** The window a refusal proposes, if it does. */
export function nearestWindow(sentence: string): { startMs: string; endMs: string } | null {
  const tail = sentence.split('nearest valid window')[1];
  const [start, end] = tail?.match(INSTANT) ?? [];
  return start && end ? { startMs: String(Date.parse(start)), endMs: String(Date.parse(end)) } : null;
}
