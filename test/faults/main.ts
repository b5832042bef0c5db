import { parseArgs } from 'node:util';
import { describeRun, drawRun, Evenings, wrongIn } from './runs.ts';

const HELP = `npm run faults -- [--runs N] [--seed S]

Plays N evenings (default 60), each with the next seed from S (default 1), and has processes and servers fall in each: kill -9 of rooms
at named places and seeded moments, PostgreSQL (immediate) during settlement, InfluxDB for a minute while readings come, mosquitto during
dispatch, the leader of a NATS cluster. Odd seeds: rooms apart on PostgreSQL 15, NATS JetStream, InfluxDB and mosquitto; even: one house.
After each the books must be those of an undisturbed evening. A run that is not as it should be can be played again by its seed.
`;
/** About as long as it takes a platform team to notice. */
const INFLUX_AWAY_MS = 60_000;

const { values } = parseArgs({
  options: { runs: { type: 'string', default: '60' }, seed: { type: 'string', default: '1' }, help: { type: 'boolean' } },
});
const [runs, seed] = [Number(values.runs), Number(values.seed)];
if (values.help) process.stdout.write(HELP);
else if (!Number.isSafeInteger(runs) || runs < 1 || !Number.isSafeInteger(seed) || seed < 0) {
  process.stderr.write(HELP);
  process.exitCode = 2;
} else process.exitCode = await playAll();

async function playAll(): Promise<number> {
  const evenings = new Evenings(INFLUX_AWAY_MS);
  const bad: string[] = [];
  let [lost, twice] = [0, 0];
  try {
    const calm = await evenings.calm();
    for (let i = 0; i < runs; i++) {
      const run = drawRun(seed + i);
      console.log(`seed ${run.seed}: ${describeRun(run)}`);
      const began = performance.now();
      const verdict = await evenings.play(run).then(
        (ended) => wrongIn(ended, calm),
        (error: Error) => ({ lost: [], doubled: [], other: [error.message] }),
      );
      lost += verdict.lost.length;
      twice += verdict.doubled.length;
      const wrong = [...verdict.lost, ...verdict.doubled, ...verdict.other];
      const took = `${((performance.now() - began) / 1000).toFixed(0)} s`;
      if (wrong.length === 0) {
        console.log(`  as undisturbed, after ${took}`);
        continue;
      }
      bad.push(`seed ${run.seed}`);
      console.log(`  WRONG after ${took}: ${wrong.slice(0, 20).join('\n  ')}`);
      console.log(`  again: npm run faults -- --runs 1 --seed ${run.seed}`);
    }
  } finally {
    await evenings.stop();
  }
  const otherwise = bad.length > 0 ? `; not as undisturbed: ${bad.join(', ')}` : '';
  console.log(`${runs} runs, ${lost} lost, ${twice} doubled${otherwise}`);
  return bad.length > 0 ? 1 : 0;
}
