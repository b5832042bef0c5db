import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { invalid } from '../domain/outcome.ts';
import { EXIT, explain, readWords } from '../host/cli.ts';
import { readCases } from './case.ts';
import { readObject } from './fields.ts';
import { type JsonValue, readJson } from './json.ts';
import { loadTradeKernel } from './kernel.ts';
import { answerCase } from './per-block-paise.ts';

const HELP = `lachak allocate --request FILE|-

Settles energy that neighbours traded: who gets what of the metered energy, and what it costs, in the WebAssembly core.

  --request FILE|-  JSON { "cases": [ … ] } in the golden case format; - reads standard input. "expected" and "note" are ignored

Prints { "results": [ … ] }, one object a case, in order: money in whole paise block by block, and stranded_wh, the energy that
water_fill (sharing again what is left until nothing moves) would settle beyond the case's own allocation. Exit code 0; 2 when the
call or the request is wrong, with the case and field on standard error and nothing on standard output.
`;

/** The command `lachak allocate`. Returns the exit code. */
export async function allocateCommand(argv: readonly string[], core: () => Uint8Array): Promise<number> {
  try {
    const { values, positionals } = readWords(argv, { request: { type: 'string' } });
    if (values.help) {
      await print(HELP);
      return EXIT.done;
    }
    if (positionals.length > 0) throw invalid('usage', `${positionals[0]} is no option; lachak allocate --help tells more`);
    if (typeof values.request !== 'string')
      throw invalid('usage', '--request FILE is missing; lachak allocate --help tells more');
    const request = readObject(await readJsonFile(values.request), 'the request');
    const kernel = await loadTradeKernel(core());
    const results = readCases(request).map((entry) => JSON.stringify(answerCase(kernel, entry)));
    await print(`{"results":[\n${results.join(',\n')}\n]}\n`);
    return EXIT.done;
  } catch (error) {
    process.stderr.write(`lachak allocate: ${explain(error).message}\n`);
    return EXIT.usage;
  }
}

async function readJsonFile(place: string): Promise<JsonValue> {
  const name = place === '-' ? 'standard input' : place;
  let content: string;
  try {
    content = place === '-' ? await text(process.stdin) : await readFile(place, 'utf8');
  } catch (error) {
    throw invalid('usage', `${name} cannot be read: ${(error as Error).message}`);
  }
  try {
    return readJson(content);
  } catch (error) {
    throw invalid('usage', `${name}: ${(error as Error).message}`);
  }
}

const print = (output: string): Promise<void> => new Promise((done) => process.stdout.write(output, () => done()));
