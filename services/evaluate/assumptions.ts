import { daysOf } from './civil-days.ts';
import { committedInWords } from './committed.ts';
import type { Question } from './evaluation.ts';
import { askedAt } from './signals.ts';
import { looksAtCommitted } from './terms.ts';

/** What was taken for granted where quiet days cannot know what the terms look at: sentences for every report. */
export function assumptionsOf({ series, terms, committed, meters, optOuts, events, placebos, calendar }: Question): string[] {
  const pays = terms.map(({ pay }) => pay);
  const minutes = series[0]?.minutes ?? 30;
  const others = series.filter(({ meterId }) => meters.get(meterId)?.household === false).length;
  const ids = new Set(series.map(({ meterId }) => meterId));
  const named = new Set(events.flatMap(({ cohort }) => [...(cohort?.asked ?? []), ...(cohort?.heldOut ?? [])]));
  const strangers = [...named].filter((id) => !ids.has(id)).length;
  const asked = new Set([...ids].flatMap((id) => askedAt(events, id)));
  const empty = events.length - asked.size;
  const said: (string | false)[] = [
    'On quiet days nobody is held out, nobody leaves, every home has supply and all readings that are there count.',
    terms.some(looksAtCommitted) &&
      `Nobody commits anything on a quiet day: availability, penalties, tiers and caps look at ${committedInWords(committed)}.`,
    pays.some(({ netting }) => netting === 'NET_CYCLE') &&
      'Where terms net by cycle, all quiet days of a civil month are its events; fewer events a month net less away.',
    pays.some(({ pay }) => pay.some(({ kind }) => kind === 'PENALTY')) &&
      `${series.length - others} of ${series.length} homes count as households, whose line no penalty makes negative (column kind of the list of meters).`,
    ...terms.map(
      ({ name, pay: { intervalMinutes } }) =>
        intervalMinutes < minutes &&
        `${name} settles intervals of ${intervalMinutes} minutes: readings of ${minutes} minutes are parted evenly.`,
    ),
    ...terms.map(({ name, own }) => own === null && `The baseline that ${name} names is none that can be judged here.`),
    [...placebos, ...events].some(({ event }) => daysOf(event.window, calendar.zone).length > 1) &&
      'A window across midnight is judged and paid as settlement would settle it: as an event of each of its days, each with its own reference days, netting and pay, both with the notice of the first. A method that adjusts on the hours before the start sees the first part of the event in them when it looks at the second.',
    events.length > 0 &&
      !events.some(({ cohort }) => cohort?.asked) &&
      'Every past event is taken to have asked all homes but those held out: no participants were given.',
    strangers > 0 && `${strangers} of ${named.size} participants of past events have no readings here, and are in no figure.`,
    events.some(({ cohort }) => cohort && cohort.heldOut.size > 0) &&
      pays.some(({ holdoutPay }) => holdoutPay === 'COHORT_AVERAGE') &&
      'What the terms pay those held out is in no figure: only the asked are paid here.',
    empty > 0 && `${empty} past events asked none of these homes; nothing is said of them.`,
    events.length > 0 &&
      (optOuts === null
        ? 'Nobody is taken to have left a past event: no opt-outs were given.'
        : 'All past events are one season of opt-outs.'),
  ];
  return said.filter((sentence) => sentence !== false);
}
