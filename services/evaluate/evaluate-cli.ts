import { writeFile } from 'node:fs/promises';
import { presets } from '../catalogue/presets.ts';
import { invalid } from '../domain/outcome.ts';
import { EXIT, readWords } from '../host/cli.ts';
import { coreBytes } from '../host/core-file.ts';
import { estimator } from '../performance/estimate.ts';
import { loadKernel } from '../performance/kernel.ts';
import { USUAL_COMMITMENT } from './committed.ts';
import { evaluate } from './evaluation.ts';
import { htmlReport } from './html.ts';
import { methodNames } from './methods.ts';
import { readQuestion, WINDOW } from './question-cli.ts';
import { terminalReport } from './terminal.ts';
import { OWN } from './terms.ts';

const HELP = `lachak evaluate --readings FILE… [options]

How well would each baseline method have known your homes, and what would it have paid them for nothing? Asked on days on which nothing
happened (placebos): bias, spread and false credit, for single homes and portfolios, by season, load size and category.

  --readings FILE     CSV, plain or gzip: meter_id,interval_start,import_wh,export_wh[,…]; may be given several times
  --temperature FILE  CSV: interval_start,temp_c (or temp_f); default: temperature.csv[.gz] beside the readings
  --window 18:00-21:00
                      the hours of the day an event would have; 22:00-02:00 crosses midnight
  --methods A,B,…     default: twelve that differ in kind; --methods list names all; \`${OWN}\` is the baseline that the terms name
  --from DAY --to DAY placebo days from and to; default: 28 days after the first reading, and the last day
  --days working|all  default: working
  --event-days FILE   days of any programme, never a placebo and never a reference day of those who were asked: one a line, or CSV with
                      start,end[,event_id,kind]; events with start and end are also measured, and paid, by every method
  --participants FILE whom those events asked, CSV: meter_id[,event_id][,role]; without event_id of every event; role is asked, opted_out or
                      held_out. Or tariff=ToU: the meters of which a column of --meters says so, every time. Or columns participants,
                      opted_out, held_out in --event-days, meters apart by ; (default: every event asked all homes)
  --opt-outs FILE     CSV: event_id,meter_id, a line for each home that left an event of --event-days
  --holidays FILE     one day a line
  --meters FILE       CSV: meter_id and any of a category, sanctioned_load_w, committed_w, kind (HOUSEHOLD, BUSINESS, CPO; else taken for
                      households); default: meters.csv beside the readings
  --by COLUMN         which column is the category; default: category, else tariff
  --zone ZONE         IANA zone or offset of the days (default Asia/Kolkata)
  --notice MINUTES    before the window (default: what the terms say)
  --terms A,B,…       what pays: files of terms as JSON (as the API gives a programme), or presets of the catalogue
                      (default ${presets[0]!.name}); methods are recommended under the first, the others are paid beside it
  --committed WHAT    where terms look at committed power (availability, penalties, tiers, caps): load:20% of a home's mean load in the
                      window, sanctioned:30% of its sanctioned load, 0.4kW each, or meters: the column committed_w (default ${USUAL_COMMITMENT})
  --seed N            of all draws (default 1); the same seed gives the same answer
  --json FILE         everything found
  --html FILE         a report to read: one file, no network

What a quiet day cannot know is assumed, and said in the report: nobody has committed anything (--committed), the quiet days of a civil month
are the events of its cycle, nothing is held out, nobody leaves, every home has supply.
`;

/** `lachak evaluate`. */
export async function evaluateCommand(argv: readonly string[]): Promise<number> {
  const word = { type: 'string' as const };
  const words = [
    'temperature',
    'window',
    'methods',
    'from',
    'to',
    'days',
    'event-days',
    'participants',
    'opt-outs',
    'holidays',
    'meters',
    'by',
    'zone',
    'notice',
    'terms',
    'committed',
    'seed',
    'json',
    'html',
  ];
  const { values, positionals } = readWords(argv, {
    readings: { type: 'string', multiple: true },
    ...Object.fromEntries(words.map((name) => [name, word])),
  });
  if (values.help) {
    process.stdout.write(HELP);
    return EXIT.done;
  }
  const flags = values as Readonly<Record<string, string | undefined>>;
  if (flags.methods === 'list') {
    process.stdout.write(`${[OWN, ...methodNames()].join('\n')}\n`);
    return EXIT.done;
  }
  // The shell spreads `--readings *.csv` over several words.
  const files = [...((values.readings as unknown as string[] | undefined) ?? []), ...positionals];
  if (files.length === 0) throw invalid('usage', '--readings FILE is missing; lachak evaluate --help says more');
  const question = await readQuestion(files, flags);
  const tell = process.stderr.isTTY ? (text: string) => process.stderr.write(`\r\u001b[K${text}`) : () => true;
  const kernel = await loadKernel(coreBytes());
  const count = question.candidates.length;
  let asked = 0;
  const found = evaluate(question, estimator({ kernel }), (method) => tell(`${++asked} of ${count} methods: ${method} …`));
  tell('');
  const about = { files, window: flags.window ?? WINDOW, zone: question.calendar.zone.zone };
  process.stdout.write(terminalReport(found, process.stdout.isTTY === true));
  if (flags.json) await writeFile(flags.json, `${JSON.stringify({ format: 2, about, ...found }, null, 1)}\n`);
  if (flags.html) await writeFile(flags.html, htmlReport(found, about));
  return EXIT.done;
}
