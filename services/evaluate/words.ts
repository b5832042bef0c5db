import { rupees } from '../domain/money.ts';
import type { Ranged } from './chance.ts';

/** `+2.3 %`; a dash where there is nothing. For people, never for arithmetic. */
export const signed = (share: number | null): string => (share === null ? '–' : `${share < 0 ? '−' : '+'}${bare(share)} %`);
export const percent = (share: number | null): string => (share === null ? '–' : `${share < 0 ? '−' : ''}${bare(share)} %`);
const bare = (share: number): string => (Math.abs(share) * 100).toFixed(1);
export const ranged = (range: Ranged | null): string =>
  range === null ? '–' : `${signed(range.value)} (${signed(range.low)} … ${signed(range.high)})`;
/** Of what cannot be negative. */
export const rangedShare = (range: Ranged | null): string =>
  range === null ? '–' : `${percent(range.value)} (${percent(range.low)} … ${percent(range.high)})`;
export const kwh = (wh: number): string => `${Math.round(wh / 1000).toLocaleString('en-IN')} kWh`;
export const money = (micros: number): string => rupees(BigInt(Math.round(micros)));
/** Names carry a digit that orders them. */
export const shown = (name: string): string => name.replace(/^\d /, '');
/** A correlation with its interval. */
export const correlated = ({ value, low, high }: Ranged): string => {
  const said = (one: number) => `${one < 0 ? '−' : '+'}${Math.abs(one).toFixed(2)}`;
  return `${said(value)} (${said(low)} … ${said(high)})`;
};
