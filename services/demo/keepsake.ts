import { copyFileSync, createWriteStream, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { StatementLine } from '../../gen/lachak/v1/settlement_pb.ts';
import { type Desk, inParallel } from './desk.ts';

const AT_ONCE = 8;

/** Leaves what anybody needs to check the evening without us: statements of every version, issuer keys, cores, all readings. */
export async function leaveKeepsake(desk: Desk, folder: string, houseFolder: string): Promise<readonly StatementLine[]> {
  const operator = await desk.as('operator');
  const statements = join(folder, 'statements');
  rmSync(statements, { recursive: true, force: true });
  mkdirSync(statements, { recursive: true });
  const lines = await allStatements(desk);
  await inParallel(lines, AT_ONCE, async ({ statementId }) => {
    const { signed } = await desk.settlement.getStatement({ statementId }, operator);
    writeFileSync(join(statements, `${statementId}.json`), signed);
  });
  const issuer = await desk.settlement.getIssuer({}, operator);
  writeFileSync(join(folder, 'issuer.jwks.json'), `${issuer.jwks}\n`);
  const cores = join(houseFolder, 'performance', 'cores');
  mkdirSync(join(folder, 'cores'), { recursive: true });
  for (const name of readdirSync(cores)) copyFileSync(join(cores, name), join(folder, 'cores', name));
  const parts = desk.metering.exportReadings({ gzip: true }, operator);
  const bytes = async function* () {
    for await (const { chunk } of parts) yield chunk;
  };
  await pipeline(Readable.from(bytes(), { objectMode: false }), createWriteStream(join(folder, 'readings.csv.gz')));
  return lines;
}

async function allStatements(desk: Desk): Promise<StatementLine[]> {
  const operator = await desk.as('operator');
  const lines: StatementLine[] = [];
  for (let token = ''; ; ) {
    const answer = await desk.settlement.listStatements({ withSuperseded: true, page: { size: 1000, token } }, operator);
    lines.push(...answer.statements);
    token = answer.nextPageToken;
    if (!token) return lines;
  }
}
