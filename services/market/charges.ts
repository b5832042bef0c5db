import { type Rational, rational } from '../domain/rational.ts';
import { readDecimal, readFraction } from './decimal.ts';
import { absent, fault, isObject, path, readList, readObject, readText, readWhole, refuseOthers, shown } from './fields.ts';
import type { JsonObject, JsonValue } from './json.ts';

/** What is charged on trades, as data: nothing about an order is in the code. */
export type Charges = {
  /** Civil time of slots, cycles and waivers. */
  readonly zone: string;
  /** Day of the month on which a billing cycle begins. */
  readonly cycleStartsOn: number;
  readonly slots: readonly Slot[];
  readonly boundaries: readonly Boundary[];
  readonly components: readonly Component[];
};

/** A time-of-day slot, minutes from midnight; `to` below `from` runs over midnight. */
export type Slot = { readonly name: string; readonly from: number; readonly to: number };

/** A boundary that energy crosses on its way from the seller's meter to the buyer's, and the share that gets across. */
export type Boundary = { readonly name: string; readonly across: Rational; readonly when: readonly Condition[] };

export type Component = {
  readonly name: string;
  readonly base: 'energy' | 'kwh' | readonly string[];
  /** µ₹ per kWh for `kwh`, else a plain number. */
  readonly rate: Rational;
  /** Place in `boundaries` after which kWh are counted, from 1; 0 = at the seller's meter. */
  readonly at: number;
  /** The seller pays the rest. */
  readonly buyerShare: Rational;
  /** `seller`, `buyer`, or a pool such as `platform`. */
  readonly payee: string;
  readonly when: readonly Condition[];
  /** First civil day on which it is charged; null = always. */
  readonly waivedUntil: string | null;
  readonly order: string;
  readonly clause: string;
};

/** `field` is a column of the trade, `slot`, or `seller.…` and `buyer.…` for a column of the meter. */
export type Condition =
  | { readonly field: string; readonly is: readonly string[] }
  | { readonly field: string; readonly differsFrom: string };

/** What the price of the energy itself is called; it is always the first component. */
export const ENERGY = 'energy';
/** The pool that keeps what rounding bill lines to paise leaves over, so that paise sum to zero as micro-rupees do. */
export const ROUNDING = 'rounding';
/** The slot of the time that no slot names. */
export const OTHER_TIME = 'other';

const ENERGY_COMPONENT: Component = {
  ...{ name: ENERGY, base: 'energy', rate: rational(1n), at: 0, buyerShare: rational(1n), payee: 'seller' },
  ...{ when: [], waivedUntil: null, order: 'the trade', clause: 'price agreed' },
};

export const NO_CHARGES: Charges = {
  ...{ zone: 'Asia/Kolkata', cycleStartsOn: 1, slots: [], boundaries: [], components: [ENERGY_COMPONENT] },
};

const RATE_MAX = 1_000_000_000n; // ₹1,000 per kWh
const FIELDS = [
  'name',
  'base',
  'rate',
  'rate_rupees_per_kwh',
  'at',
  'payer',
  'payee',
  'applies_when',
  'waived_until',
  'order',
  'clause',
];

/** Reads the charges object. Throws Refusal naming the field. */
export function readCharges(value: JsonValue | undefined, at: string): Charges {
  if (absent(value)) return NO_CHARGES;
  const fields = readObject(value, at);
  refuseOthers(fields, at, ['zone', 'cycle_starts_on', 'slots', 'boundaries', 'components']);
  const list = (name: string) => (absent(fields.get(name)) ? [] : readList(fields.get(name), path(at, name)));
  const boundaries = list('boundaries').map((entry, i) => readBoundary(entry, `${at}.boundaries[${i}]`));
  if (boundaries.length > 16) throw fault(path(at, 'boundaries'), `has ${boundaries.length} entries, more than 16`);
  demandUnique(boundaries, path(at, 'boundaries'));
  const components: Component[] = [ENERGY_COMPONENT];
  for (const [i, entry] of list('components').entries())
    components.push(readComponent(entry, `${at}.components[${i}]`, boundaries, components));
  if (components.length > 64) throw fault(path(at, 'components'), `has ${components.length - 1} entries, more than 63`);
  return {
    zone: absent(fields.get('zone')) ? NO_CHARGES.zone : readText(fields, 'zone', at),
    cycleStartsOn: absent(fields.get('cycle_starts_on')) ? 1 : readWhole(fields, 'cycle_starts_on', at, 1, 28),
    slots: readSlots(list('slots'), path(at, 'slots')),
    ...{ boundaries, components },
  };
}

function readComponent(value: JsonValue, at: string, boundaries: readonly Boundary[], before: readonly Component[]): Component {
  const fields = readObject(value, at);
  refuseOthers(fields, at, FIELDS);
  const name = readText(fields, 'name', at);
  if (before.some((component) => component.name === name)) throw fault(path(at, 'name'), `${shown(name)} stands twice`);
  const base = readBase(fields, at, before);
  const perKwh = base === 'kwh';
  const other = perKwh ? 'rate' : 'rate_rupees_per_kwh';
  if (fields.has(other))
    throw fault(
      path(at, other),
      perKwh ? 'is for other bases; kwh has rate_rupees_per_kwh' : 'is for the base kwh; this one has rate',
    );
  const place = absent(fields.get('at')) ? 0 : boundaries.findIndex((boundary) => boundary.name === fields.get('at')) + 1;
  if (place === 0 && !absent(fields.get('at')))
    throw fault(
      path(at, 'at'),
      `must be a boundary (${boundaries.map((b) => b.name).join(', ') || 'there is none'}), not ${shown(fields.get('at'))}`,
    );
  if (place > 0 && !perKwh) throw fault(path(at, 'at'), 'is for the base kwh');
  return {
    ...{ name, base, at: place },
    rate: perKwh
      ? rational(readDecimal(fields, 'rate_rupees_per_kwh', at, 6, -RATE_MAX, RATE_MAX))
      : readFraction(fields, 'rate', at),
    buyerShare: readPayer(fields.get('payer'), path(at, 'payer')),
    payee: readPayee(fields, at),
    when: readConditions(fields.get('applies_when'), path(at, 'applies_when')),
    waivedUntil: absent(fields.get('waived_until')) ? null : readDay(fields, 'waived_until', at),
    order: readText(fields, 'order', at),
    clause: readText(fields, 'clause', at),
  };
}

function readPayee(fields: JsonObject, at: string): string {
  const payee = readText(fields, 'payee', at);
  if (payee === ROUNDING) throw fault(path(at, 'payee'), `${ROUNDING} is the pool that keeps what rounding to paise leaves over`);
  return payee;
}

/** `energy`, `kwh`, or the names of components that stand before this one. */
function readBase(fields: JsonObject, at: string, before: readonly Component[]): Component['base'] {
  const value = fields.get('base');
  if (value === 'energy' || value === 'kwh') return value;
  const names = Array.isArray(value) ? value : [value];
  for (const name of names) {
    if (typeof name !== 'string' || !before.some((component) => component.name === name))
      throw fault(
        path(at, 'base'),
        `must be energy, kwh or components before this one (${before.map((c) => c.name).join(', ')}), not ${shown(name)}`,
      );
  }
  if (names.length === 0 || new Set(names).size < names.length) throw fault(path(at, 'base'), 'must name each component once');
  return names as string[];
}

/** `{"buyer": "1/2", "seller": "1/2"}`: who pays which part; the parts add up to 1. Answers the buyer's. */
function readPayer(value: JsonValue | undefined, at: string): Rational {
  const fields = readObject(value, at);
  refuseOthers(fields, at, ['buyer', 'seller']);
  const part = (name: string) => (absent(fields.get(name)) ? rational(0n) : readFraction(fields, name, at));
  const [buyer, seller] = [part('buyer'), part('seller')];
  if (buyer.num < 0n || seller.num < 0n || buyer.num * seller.den + seller.num * buyer.den !== buyer.den * seller.den)
    throw fault(at, 'must be parts of buyer and seller that add up to 1, such as {"buyer": "1/2", "seller": "1/2"}');
  return buyer;
}

function readBoundary(value: JsonValue, at: string): Boundary {
  const fields = readObject(value, at);
  refuseOthers(fields, at, ['name', 'across', 'crossed_when']);
  const across = readFraction(fields, 'across', at);
  if (across.num <= 0n || across.num > across.den)
    throw fault(path(at, 'across'), 'must be the share of energy that gets across, above 0 and at most 1, such as "0.965"');
  return {
    ...{ name: readText(fields, 'name', at), across },
    when: readConditions(fields.get('crossed_when'), path(at, 'crossed_when')),
  };
}

/** All must hold; none = always. */
function readConditions(value: JsonValue | undefined, at: string): Condition[] {
  if (absent(value)) return [];
  return readList(value, at).map((entry, i) => {
    const place = `${at}[${i}]`;
    const fields = readObject(entry, place);
    refuseOthers(fields, place, ['field', 'is', 'differs_from']);
    const field = readText(fields, 'field', place);
    if (fields.has('is') === fields.has('differs_from'))
      throw fault(place, 'must have either "is" (a value or a list of values) or "differs_from" (another field)');
    if (fields.has('differs_from')) return { field, differsFrom: readText(fields, 'differs_from', place) };
    const is = fields.get('is')!;
    return { field, is: (Array.isArray(is) ? is : [is]).map((word: JsonValue) => plain(word, path(place, 'is'))) };
  });
}

/** A value as it would stand in a CSV field. */
export function plain(value: JsonValue | undefined, at: string): string {
  if (value === undefined || Array.isArray(value) || isObject(value))
    throw fault(at, `must be a text, a number, true or false, not ${shown(value)}`);
  return value === null ? '' : String(value);
}

function readSlots(values: readonly JsonValue[], at: string): Slot[] {
  const slots = values.map((value, i) => {
    const place = `${at}[${i}]`;
    const fields = readObject(value, place);
    refuseOthers(fields, place, ['name', 'from', 'to']);
    const slot = {
      name: readText(fields, 'name', place),
      from: readClock(fields, 'from', place),
      to: readClock(fields, 'to', place),
    };
    if (slot.from === slot.to) throw fault(path(place, 'to'), 'is where the slot begins');
    return slot;
  });
  demandUnique(slots, at);
  const taken = new Int16Array(1440).fill(-1);
  for (const [i, { name, from, to }] of slots.entries()) {
    for (let minute = from; minute < (to > from ? to : to + 1440); minute++) {
      const other = taken[minute % 1440]!;
      if (other >= 0) throw fault(`${at}[${i}]`, `${shown(name)} overlaps ${shown(slots[other]!.name)}`);
      taken[minute % 1440] = i;
    }
  }
  return slots;
}

function demandUnique(named: readonly { readonly name: string }[], at: string): void {
  named.forEach(({ name }, i) => {
    if (named.findIndex((other) => other.name === name) < i) throw fault(`${at}[${i}].name`, `${shown(name)} stands twice`);
  });
}

/** `18:00`, or `24:00` at the end of the day; minutes from midnight. */
function readClock(fields: JsonObject, name: string, at: string): number {
  const value = fields.get(name);
  const parts = typeof value === 'string' ? /^([01]\d|2[0-3]):([0-5]\d)$|^24:00$/.exec(value) : null;
  if (!parts) throw fault(path(at, name), `must be a time of day such as "18:00", not ${shown(value)}`);
  return parts[1] === undefined ? 1440 : Number(parts[1]) * 60 + Number(parts[2]);
}

function readDay(fields: JsonObject, name: string, at: string): string {
  const value = fields.get(name);
  const ms = typeof value === 'string' && /^\d{4}-\d\d-\d\d$/.test(value) ? Date.parse(`${value}T00:00:00Z`) : Number.NaN;
  if (Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 10) !== value)
    throw fault(path(at, name), `must be a day such as "2027-04-01", not ${shown(value)}`);
  return value as string;
}
