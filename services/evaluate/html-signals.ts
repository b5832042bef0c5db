import type { Evaluation } from './evaluation.ts';
import { table } from './html-table.ts';
import { escaped } from './plots.ts';
import { SIGN_IN_WORDS, type Sign } from './signals.ts';
import { correlated } from './words.ts';

const MEANING: Record<Sign, string> = {
  at_cap: 'The hours before notice do not look like the reference days, so the adjustment hits its cap more often than not.',
  pumped: 'More is taken in the hours that raise the baseline (less, where taking more is paid).',
  frozen_baseline:
    'Events come so often that no new day enters the baseline: before adjustment it moves by 1 % or less from event to event, while load moves by 10 % or more.',
  left_against: 'The home leaves events when its load runs above its baseline, and stays to be paid when it runs below.',
  back_up:
    'Import falls to near zero as events begin and comes back as they end, and does not on quiet days: a generating set or a battery.',
  frozen: 'The same load to the Wh on every measured day: a stuck meter, or made-up readings.',
};

/** Every sign: how many homes show it, of how many that could be looked at, or why not. */
export function signalsSection({ signals, looked, left }: Evaluation): string {
  const rows = looked.map(({ sign, homes, why }) => {
    const found = signals.filter((one) => one.sign === sign).length;
    return { cells: [SIGN_IN_WORDS[sign], why === '' ? `${found} of ${homes} homes` : `not looked at: ${why}`, MEANING[sign]] };
  });
  const named = signals.map(({ meterId, sign, says }) => ({ cells: [meterId, SIGN_IN_WORDS[sign], says] }));
  const all =
    left?.correlation &&
    `<p>Opt-outs of all homes: ${left.left} home-events of ${left.homes} homes, rank correlation with the residual ${correlated(left.correlation)}.</p>`;
  return `<h2>Worth a second look</h2><p>Signs of gaming, or of a broken meter. None is proof: on London homes where nobody gained by it each sign names
up to three homes of a hundred by chance.</p>${table(['Sign', 'Homes', 'What it is'], rows)}${all ?? ''}
${named.length === 0 ? '' : `<details${named.length <= 12 ? ' open' : ''}><summary>${escaped(String(named.length))} homes by name</summary>${table(['Meter', 'Sign', 'Seen'], named)}</details>`}`;
}
