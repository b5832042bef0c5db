import { edgeBench } from './edge.ts';
import { factsBench } from './facts.ts';
import { ingestBench } from './ingest.ts';
import { kernelBench } from './kernel.ts';
import { recordBench } from './record.ts';
import { startBench } from './start.ts';

type Bench = (print: (line: string) => void) => Promise<void>;

/** One name a question; each prints its numbers with machine and goal, measured in this run. */
const benches: Readonly<Record<string, Bench>> = {
  kernel: kernelBench,
  ingest: ingestBench,
  facts: factsBench,
  record: recordBench,
  start: startBench,
  edge: edgeBench,
};

const names = process.argv.slice(2);
const unknown = names.filter((name) => !benches[name]);
if (unknown.length > 0 || names.length === 0) {
  process.stderr.write(
    `npm run bench -- NAME…: ${Object.keys(benches).join(', ')}${unknown.length ? `; not ${unknown.join(', ')}` : ''}\n`,
  );
  process.exitCode = 2;
} else {
  for (const name of names) await benches[name]!((line) => console.log(line));
}
