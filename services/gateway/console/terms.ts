import { count, minuteOfDay, percent, rupees } from './format.ts';
import { t, wordFor } from './language.ts';
import type { PayComponent, Terms } from './wire.ts';

export type Said = { name: string; text: string };

/** The terms as a household would be told them: one short sentence per subject. */
export function termsInWords(terms: Terms): Said[] {
  const said: Said[] = [
    { name: t('terms.who'), text: terms.kinds.map((kind) => wordFor('kind', kind)).join(', ') || t('terms.anyKind') },
    { name: t('terms.when'), text: windowsInWords(terms) },
    { name: t('terms.pay'), text: terms.pay.flatMap(payInWords).join('; ') || t('terms.noPay') },
    { name: t('terms.baseline'), text: baselineInWords(terms) },
    { name: t('terms.limits'), text: limitsInWords(terms) },
  ];
  const share = terms.holdout?.sharePpm ?? 0;
  if (share > 0) said.push({ name: t('terms.holdout'), text: t('terms.holdoutText', { share: percent(share) }) });
  return said.filter(({ text }) => text !== '');
}

function windowsInWords({ windows, noticeMinutes }: Terms): string {
  const spans = windows.map(({ fromMinute, toMinute, weekdays }) =>
    t(weekdays.length === 0 || weekdays.length === 7 ? 'terms.everyDay' : 'terms.someDays', {
      from: minuteOfDay(fromMinute),
      to: minuteOfDay(toMinute),
      days: weekdays.map((day) => t(`weekday.${day as 0 | 1 | 2 | 3 | 4 | 5 | 6}`)).join(', '),
    }),
  );
  return [spans.join('; ') || t('terms.anyTime'), t('terms.notice', { minutes: noticeMinutes })].join('; ');
}

function payInWords({ energy, availability, participation, penalty }: PayComponent): string[] {
  const perKwh = (values: string[]): string => {
    const rates = values.map(BigInt).sort((a, b) => (a < b ? -1 : 1));
    const [low, high] = [rates[0] ?? 0n, rates.at(-1) ?? 0n];
    return low === high ? rupees(low) : `${rupees(low)}–${rupees(high)}`;
  };
  const said: string[] = [];
  if (energy) {
    const tiers = energy.tiers?.map((tier) => tier.microsPerKwh) ?? [];
    said.push(t('pay.energy', { rate: perKwh(tiers.length ? tiers : (energy.microsPerKwh?.values ?? [])) }));
  }
  if (availability) said.push(t('pay.availability', { rate: rupees(availability.microsPerKwHour) }));
  if (participation) said.push(t('pay.participation', { rate: rupees(participation.microsPerEvent) }));
  if (penalty) {
    const rate = perKwh(penalty.microsPerKwh?.values ?? []);
    said.push(t(penalty.householdsExempt ? 'pay.penaltyNotHomes' : 'pay.penalty', { rate }));
  }
  return said;
}

function baselineInWords({ baseline }: Terms): string {
  if (!baseline) return '';
  const text = t('baseline.text', { select: baseline.x >= baseline.y ? 'ALL' : baseline.select, x: baseline.x, y: baseline.y });
  const adjusted = baseline.adjustment && !['NONE', 'KIND_UNSPECIFIED'].includes(baseline.adjustment.kind);
  return adjusted ? `${text}; ${t('baseline.adjusted')}` : text;
}

function limitsInWords({ limits }: Terms): string {
  if (!limits) return '';
  const said = [
    limits.eventsPerDay && t('limit.day', { number: count(limits.eventsPerDay) }),
    limits.eventsPerMonth && t('limit.month', { number: count(limits.eventsPerMonth) }),
    limits.eventsPerSeason && t('limit.season', { number: count(limits.eventsPerSeason) }),
    limits.minutesPerEvent && t('limit.minutes', { number: count(limits.minutesPerEvent) }),
  ];
  return said.filter(Boolean).join(', ');
}
