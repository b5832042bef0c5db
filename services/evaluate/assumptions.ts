import { committedInWords } from './committed.ts';
import type { Question } from './evaluation.ts';
import { looksAtCommitted } from './terms.ts';

/** What was taken for granted where quiet days cannot know what the terms look at: sentences for every report. */
export function assumptionsOf({ series, terms, committed, meters, optOuts, events }: Question): string[] {
  const pays = terms.map(({ pay }) => pay);
  const minutes = series[0]?.minutes ?? 30;
  const others = series.filter(({ meterId }) => meters.get(meterId)?.household === false).length;
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
    events.length > 0 &&
      (optOuts === null
        ? 'Nobody is taken to have left a past event: no opt-outs were given.'
        : 'All past events are one season of opt-outs.'),
  ];
  return said.filter((sentence) => sentence !== false);
}
