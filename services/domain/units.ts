/** Energy in whole watt-hours; import and export are separate registers, both ≥ 0; net = import − export. */
export type WattHours = number & { readonly unit: 'Wh' };
/** Power in whole watts. */
export type Watts = number & { readonly unit: 'W' };

/** Asserts a safe integer and brands it. Throws RangeError: a fraction or an overflow here is a bug, never input. */
export const wattHours = (wh: number): WattHours => integer(wh, 'Wh') as WattHours;
/** As `wattHours`, for power. */
export const watts = (w: number): Watts => integer(w, 'W') as Watts;

/** `1234567` W → `1,234.6 kW`, in the Indian digit grouping. For people, never for arithmetic. */
export function kilowatts(w: number, digits = 1): string {
  return `${(w / 1000).toLocaleString('en-IN', { minimumFractionDigits: digits, maximumFractionDigits: digits })} kW`;
}

function integer(value: number, unit: string): number {
  if (!Number.isSafeInteger(value)) throw new RangeError(`${value} ${unit} is not a safe integer`);
  return value;
}
