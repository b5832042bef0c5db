import { EV_TRIAL, precisionAt, shareInterval } from './ev-trial.ts';
import { LEAST_DAYS, SEASONS } from './finding.ts';
import { CONFIDENCE, DRAWS } from './flexible.ts';
import { STYLE } from './report-style.ts';
import type { Group, Research } from './research.ts';
import type { ResponseRate } from './response-rate.ts';
import { shapePlot } from './shape-plot.ts';
import { beyondSeen, clock, expected, figures, intervalCovers, power, rateName, whole, windowName } from './summary.ts';
import { EV_RULE } from './sustained-steps.ts';

const SEASON_NAMES = ['Winter (Jan–Feb)', 'Pre-monsoon (Mar–May)', 'Monsoon (Jun–Sep)', 'Post-monsoon (Oct–Dec)', 'All seasons'];
/** A mean over fewer homes may tell of one of them. */
const FEW = 15;

/** The study as one HTML file that needs nothing else: to read, print or file. */
export function reportOf(research: Research): string {
  const { peak, flexible, homes, all, categories } = research;
  const consumers = categories.reduce((sum, category) => sum + category.consumers, 0);
  const basis = research.scaled
    ? `${whole(consumers)} consumers, estimated from ${homes.length} homes`
    : `the ${homes.length} homes read`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Load research: flexible load in the peak window</title><style>${STYLE}</style></head><body><main>
<h1>Load research: flexible load in the peak window</h1>
<p class="headline"><strong>${expected(flexible)}</strong><br>may be expected to answer a call between ${windowName(peak)} local time (${text(research.zone)}), of ${basis}.</p>
<p>${all.sensitiveHomes} of ${homes.length} homes answer the temperature outdoors; ${all.evLikeHomes} show EV-like sessions. ${intervalCovers(research).replace(/^t/, 'T')}.</p>
${section('Load shapes', shapes(research))}
${section('By category', categoryTable(research))}
${section('By feeder', groupTable('feeder', research.feeders))}
${section('By season', seasonTable(all, peak))}
${section('Sample design', sampleTable(research))}
${section('Data coverage', coverage(research))}
${section('Method', METHOD(research))}
${section('EV-like load, tried', evTrial())}
${section('Assumptions', assumptions(research))}
${section('Hour by hour', hourTables(research))}
</main></body></html>
`;
}

const section = (title: string, content: string): string => `<section><h2>${title}</h2>${content}</section>`;

function shapes({ all, categories, peak }: Research): string {
  const legend =
    '<p class="legend"><span class="load">net load</span><span class="sensitive">temperature-sensitive</span><span class="evLike">EV-like</span><span class="window">peak window</span></p>';
  const groups = categories.length > 1 ? [all, ...categories] : [all];
  const plots = groups.map((group) => {
    const seen = SEASON_NAMES.flatMap((name, s) => (group.load[s]!.some((watts) => watts !== null) ? [{ name, s }] : []));
    const figuresOf = seen.map(
      ({ name, s }) => `<figure><figcaption>${name}</figcaption>${shapePlot(group, s, name, peak)}</figure>`,
    );
    return `<h3>${group.name === 'all' ? 'All homes' : text(group.name)} (${group.homes})</h3><div class="plots">${figuresOf.join('')}</div>`;
  });
  const absent = SEASON_NAMES.filter((_, s) => all.load[s]!.every((watts) => watts === null));
  const says = absent.length > 0 ? `<p class="note">No readings: ${absent.join(', ')}.</p>` : '';
  return `<p>Coincident load: mean kW a home by local hour, every home with equal weight. A missing reading is left out, never taken as zero.</p>${legend}${plots.join('')}${says}`;
}

function categoryTable({ categories, scaled }: Research): string {
  return table(
    [
      'category',
      'homes',
      scaled ? 'consumers' : 'homes stood for',
      'net load',
      'temp.-sensitive at design',
      'EV-like',
      'response rate',
      `expected flexible (${CONFIDENCE} % interval)`,
    ],
    categories.map(({ name, homes, consumers, window, response, flexible }) => [
      ...[thin(name, homes), String(homes), whole(consumers), power(window.loadW), power(window.designW), power(window.evLikeW)],
      ...[rateName(response), expected(flexible).replace(`${CONFIDENCE} % interval `, '')],
    ]),
    `Loads are means a home over the peak window. ${thinNote(categories)}`,
  );
}

function groupTable(kind: string, groups: readonly Group[]): string {
  if (groups.length === 1 && groups[0]!.name === 'not stated') return `<p>No list of meters named a ${kind}.</p>`;
  return table(
    [
      kind,
      'homes',
      'answer temperature',
      'EV-like',
      'net load',
      'temp.-sensitive at design',
      'EV-like load',
      'highest mean hour',
    ],
    groups.map(({ name, homes, sensitiveHomes, evLikeHomes, window, peak }) => [
      ...[thin(name, homes), String(homes), String(sensitiveHomes), String(evLikeHomes)],
      ...[power(window.loadW), power(window.designW), power(window.evLikeW), peakName(peak)],
    ]),
    `Loads are means a home over the peak window. ${thinNote(groups)}`,
  );
}

function seasonTable({ load, sensitive, evLike }: Group, { from, to }: Research['peak']): string {
  const mean = (row: readonly (number | null)[]) => {
    const known = row.slice(from, to).filter((watts) => watts !== null);
    return known.length === 0 ? null : known.reduce((sum, watts) => sum + watts, 0) / known.length;
  };
  const rows = SEASONS.map((_, s) => {
    const known = load[s]!.flatMap((watts, hour) => (watts === null ? [] : [{ watts, hour }]));
    const peak = known.reduce<{ watts: number; hour: number } | null>(
      (most, one) => (most && most.watts >= one.watts ? most : one),
      null,
    );
    return [
      SEASON_NAMES[s]!,
      power(mean(load[s]!)),
      power(mean(sensitive[s]!)),
      power(mean(evLike[s]!)),
      peak ? `${clock(peak.hour)}, ${power(peak.watts)}` : '–',
    ];
  });
  return table(
    ['season', 'net load', 'temp.-sensitive', 'EV-like', 'highest mean hour'],
    rows,
    'Means a home over the peak window at the temperatures of that season; – where there is no reading (or no temperature).',
  );
}

function sampleTable({ categories, precision, scaled }: Research): string {
  const cv = (variation: number | null) => (variation === null ? '–' : figures(variation));
  const count = (homes: number | null) => (homes === null ? 'not known' : whole(homes));
  return table(
    ['category', 'population', 'variation of load', 'homes for load', 'variation of flexible load', 'homes for flexible load'],
    categories.map(({ name, consumers, sample }) => [
      ...[text(name), scaled ? whole(consumers) : 'not stated', cv(sample.load.variation), count(sample.load.homes)],
      ...[cv(sample.flexible.variation), count(sample.flexible.homes)],
    ]),
    `Homes to meter so that the mean over the peak window lies within ±${figures(100 * precision)} % at 90 % confidence: n₀ = (1.6449 · variation / precision)², n = n₀ / (1 + n₀ / population)
(Cochran 1977), homes drawn at random within the category, variation (standard deviation over mean) as measured here.${scaled ? '' : ' Without the number of consumers there is no finite population correction.'} Not known: fewer than two homes, or no such load.`,
  );
}

function coverage({ homes, setAside }: Research): string {
  const [hours, asked] = [
    homes.reduce((sum, home) => sum + home.hours, 0),
    homes.reduce((sum, home) => sum + home.hoursAsked, 0),
  ];
  const days = homes.map(({ days: own }) => own).sort((a, b) => a - b);
  const bound = (which: 'firstDay' | 'lastDay') =>
    homes
      .map((home) => home[which])
      .sort()
      .at(which === 'firstDay' ? 0 : -1)!;
  const weather = homes.filter(({ celsius }) => celsius.some((row) => row.length > 0)).length;
  const facts = `<dl><dt>homes used</dt><dd>${homes.length}</dd><dt>homes set aside</dt><dd>${setAside.length}</dd>
<dt>from, to</dt><dd>${bound('firstDay')} to ${bound('lastDay')}</dd><dt>days with ≥ 20 hours, per home</dt><dd>${days[0]} to ${days.at(-1)}, median ${days[days.length >> 1]}</dd>
<dt>hours with all readings</dt><dd>${((100 * hours) / asked).toFixed(1)} % of ${whole(asked)}</dd><dt>interval of readings</dt><dd>${[...new Set(homes.map(({ minutes }) => minutes))].sort((a, b) => a - b).join(', ')} minutes</dd>
<dt>homes with temperature</dt><dd>${weather}</dd></dl>`;
  const reasons = setAside.map(({ meterId, reason }) => `<li>${text(meterId)}: ${text(reason)}</li>`);
  return `${facts}${setAside.length === 0 ? '' : `<details><summary>Homes set aside, and why (${setAside.length})</summary><ul>${reasons.join('')}</ul></details>`}`;
}

/** How well it is found where it is known, on homes and drivers that no threshold was chosen on. */
function evTrial(): string {
  const { chosenOn, triedOn, named, sunny, trials } = EV_TRIAL;
  const percent = (share: number) => `${Math.round(100 * share)} %`;
  const ofHomes = (count: number) => {
    const [low, high] = shareInterval(count, triedOn.homes);
    return `${count}: ${percent(count / triedOn.homes)} (${percent(low)} to ${percent(high)})`;
  };
  const rows = trials.map(({ minutes, watts, found, energy, atItsTime, charging }) => [
    ...[
      `${minutes} minutes, ${figures(watts / 1000)} kW`,
      ofHomes(found),
      ofHomes(named.find((one) => one.minutes === minutes)!.homes),
    ],
    ...[percent(energy), percent(atItsTime), percent(charging)],
  ]);
  const [usual, false_] = [trials.find(({ minutes, watts }) => minutes === 30 && watts === 3600)!.found, named[0].homes];
  const rare = precisionAt(0.02, usual / triedOn.homes, false_ / triedOn.homes);
  return `<p>Real sessions of drivers (Trondheim, 2019) laid over real homes (London, 2013). Thresholds were chosen on ${chosenOn.homes} homes and ${chosenOn.drivers} drivers, so that the energy found is most like that laid where one home in ten charges; the figures are of the other ${triedOn.homes} homes and
${triedOn.drivers} drivers, parted by a hash of their ids. Wrongly named are the same homes without charging: nobody knows whether some have a car. Of ${sunny.homes} Californian homes that cool and have panels (hourly, the other half of them) ${sunny.named} is named: cooling and clouds make steps too.</p>${table(
    [
      'readings, charger',
      `of ${triedOn.homes} homes that charge, found`,
      `of the same ${triedOn.homes} without, named too`,
      'energy found',
      'at its time',
      'of it charging',
    ],
    rows,
    `In brackets 95 % intervals over homes (Wilson 1927); with ${triedOn.drivers} drivers and homes of another country and decade they are too narrow. Where one home in fifty charges, about ${percent(rare)} of the homes named would have a charger: a number of EV-like homes is no count of cars. The rule of ${figures(EV_RULE.fullWh / 1000)} kWh was thought of after looking at who was wrongly named in both halves; its number was chosen on the first. Homes that cool and have panels joined both halves after a first choice had named too many of them, so the tried half is not wholly unseen.`,
  )}`;
}

const METHOD = ({ seed }: Research): string => `<ol>
<li><b>Net load</b> is import less export where there is an export register. An hour counts when every interval of it has a reading.</li>
<li><b>EV-like load</b>: a rise of at least ${figures(EV_RULE.leastStepW / 1000)} kW within two intervals, held for 1 to 14 hours (and two whole intervals) within ±500 W or ${figures(100 * EV_RULE.stableShare)} %, then a fall of at least ${figures(100 * EV_RULE.fallShare)} % of it. A home counts when it
shows at least three of one height (±${figures(100 * EV_RULE.alikeShare)} % of their median) and one in ${EV_RULE.daysAStep} days; of such a home every hour or more that stands ${figures(100 * EV_RULE.standsShare)} % of that height above the load before it counts, whatever else runs on top, when one of ten takes
${figures(EV_RULE.fullWh / 1000)} kWh or more. Edge detection after Hart, Proc. IEEE 80(12), 1992.</li>
<li><b>Temperature-sensitive load</b>: what is left is regressed on temperature, load = a + b·max(T − C, 0) + c·max(H − T, 0), a least-squares line for each local hour. Balance points C (16–30 °C) and H (8–18 °C) are those that
leave the least sum of squares, with at least 5 % of the hours on either side. A side counts when it lowers the residual mean square by at least 5 %, and by 10 / days, and its mean slope is positive. Change-point model: ASHRAE Guideline 14-2014.</li>
<li><b>Expected flexible load</b> = Σ over categories of response rate × consumers × mean over homes of (temperature-sensitive load at the design temperature + EV-like load), both means over the window, together at most the sanctioned load of the home where known.</li>
<li><b>Interval</b>: ${CONFIDENCE} %, percentile bootstrap over homes within their category and of response rates drawn beside them (a split normal through their 5, 50 and 95 %; one draw for all categories unless measured), ${DRAWS} draws, seed ${seed}: the same readings and seed give the same numbers.</li>
<li><b>Sample design</b>: Cochran, Sampling Techniques, 1977, with finite population correction.</li></ol>`;

function assumptions(research: Research): string {
  const { peak, designC, categories, scaled, hottestC } = research;
  return `<ul>
${categories.map(({ name, response }) => `<li>Response rate of ${text(name)}: ${rateSaid(response)}</li>`).join('\n')}
<li>The homes stand for their category as if drawn at random. A sample of volunteers, or of one feeder, does not.</li>
<li>${scaled ? 'Numbers of consumers are as given.' : 'No number of consumers was given: megawatts are of the homes read only.'}</li>
<li>The peak window is ${peak.chosen === 'given' ? 'as given' : 'the four hours in a row with the highest mean load in these readings'}.</li>
<li>${designC === null ? 'No temperature was given: temperature-sensitive load is not known and counts as none.' : `Design temperature ${figures(designC)} °C; highest in the readings ${figures(hottestC!)} °C.${beyondSeen(research) ? ' <b>It lies above all that was seen: the lines are drawn on past the readings.</b>' : ''}`}</li>
<li>EV-like is what looks like a charger. A storage heater, pump or large air conditioner that holds one height for hours looks the same, a heater on a nightly timer above all; a charger below 2.5 kW, or one under a restless load, is missed. Hourly readings blur both ends of a session.</li>
<li>Temperature stands also for what comes with it: holidays, light, habits of the season. Rooftop generation lowers net load on hot days and hides cooling.</li>
<li>Seasons are those of the India Meteorological Department. Fewer than ${LEAST_DAYS} days with 20 hours of readings: the home is set aside.</li></ul>`;
}

const BASIS = {
  planning: 'a planning value of ours',
  unmeasured: 'a planning value of ours, for fewer than five past events told one',
  given: 'given to this study',
} as const;

function rateSaid(response: ResponseRate): string {
  const rate = rateName(response);
  if (response.basis === 'measured')
    return `${rate}, measured at ${response.events} past events: (baseline − metered, less the same at those hours of quiet days) ÷ flexible load at those hours and temperatures; baseline by degree-hours where the temperature is known, else 10 of 10 with a ratio of ±20 % before notice. Other events, or homes that were not asked, may answer otherwise.`;
  const covered = response.interval
    ? 'the interval covers what it may as well be'
    : 'taken as it is: the interval does not cover it';
  return `${rate}, ${BASIS[response.basis]}, not found in these readings; ${covered}. A pilot measures it (--event-days).`;
}

function hourTables({ all, categories }: Research): string {
  const groups = categories.length > 1 ? [all, ...categories] : [all];
  return groups
    .flatMap((group) =>
      SEASON_NAMES.flatMap((name, s) => (group.load[s]!.every((watts) => watts === null) ? [] : [hourTable(group, name, s)])),
    )
    .join('');
}

function hourTable({ name, load, sensitive, evLike }: Group, season: string, s: number): string {
  const rows = load[s]!.map((watts, hour) => [clock(hour), power(watts), power(sensitive[s]![hour]!), power(evLike[s]![hour]!)]);
  return `<details><summary>${name === 'all' ? 'All homes' : text(name)}, ${season}</summary>${table(['hour', 'net load', 'temp.-sensitive', 'EV-like'], rows, 'Means a home.')}</details>`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[], note: string): string {
  const cells = (row: readonly string[]) =>
    row.map((cell, i) => (i === 0 ? `<th scope="row">${cell}</th>` : `<td>${cell}</td>`)).join('');
  return `<div class="scroll" tabindex="0"><table><thead><tr>${head.map((cell) => `<th scope="col">${cell}</th>`).join('')}</tr></thead><tbody>${rows.map((row) => `<tr>${cells(row)}</tr>`).join('')}</tbody></table></div><p class="note">${note}</p>`;
}

const peakName = (peak: Group['peak']): string =>
  peak ? `${peak.season.replace('_', '-')} ${clock(peak.hour)}, ${power(peak.watts)}` : '–';

const thin = (name: string, homes: number): string => `${text(name)}${homes < FEW ? ' †' : ''}`;

const thinNote = (groups: readonly Group[]): string =>
  groups.some(({ homes }) => homes < FEW)
    ? `† Fewer than ${FEW} homes: a thin mean, and not for publication, for it may tell of one home.`
    : '';

const text = (content: string): string =>
  content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
