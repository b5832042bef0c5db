import { edgeBench } from './edge.ts';
import { evaluateBench } from './evaluate.ts';
import { factsBench } from './facts.ts';
import { homesBench } from './homes.ts';
import { importBench } from './import.ts';
import { ingestBench } from './ingest.ts';
import { kernelBench } from './kernel.ts';
import { recordBench } from './record.ts';
import { startBench } from './start.ts';
import { stateBench } from './state.ts';
import { sustainBench } from './sustain.ts';
import { tilesBench } from './tiles.ts';
import { workersBench } from './workers.ts';

/** What it answers, if anything, are its ratios and rates by name; `words` are those of the command. */
type Bench = (print: (line: string) => void, words: readonly string[]) => Promise<unknown>;

/** One name a question; each prints its numbers with machine and goal, measured in this run. */
const benches: Readonly<Record<string, Bench>> = {
  kernel: kernelBench,
  homes: homesBench,
  ingest: ingestBench,
  import: importBench,
  facts: factsBench,
  record: recordBench,
  tiles: tilesBench,
  start: startBench,
  edge: edgeBench,
  sustain: sustainBench,
  workers: workersBench,
  state: stateBench,
  evaluate: evaluateBench,
};

const words = process.argv.slice(2);
const json = words.includes('--json');
const names = words.filter((word, i) => !word.startsWith('--') && words[i - 1] !== '--minutes');
const unknown = names.filter((name) => !benches[name]);
if (unknown.length > 0 || names.length === 0) {
  process.stderr.write(
    `npm run bench -- NAME… [--json] [--minutes N]: ${Object.keys(benches).join(', ')}${unknown.length ? `; not ${unknown.join(', ')}` : ''}\n`,
  );
  process.exitCode = 2;
} else {
  for (const name of names) {
    const ratios = await benches[name]!((line) => console.log(line), words);
    if (json) console.log(JSON.stringify({ bench: name, ratios: ratios ?? {} }));
  }
}
