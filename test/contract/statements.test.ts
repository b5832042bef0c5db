import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { verifyCommand } from '../../services/verify.ts';

// One run of every format of statements ever released, with the readings, the keys and the core it names: all of it must still verify.
const folder = fileURLToPath(new URL('.', import.meta.url));
const formats = readdirSync(folder).filter((name) => name.startsWith('statement-'));

test.each(formats)('%s still reads and verifies', async (format) => {
  const at = (...names: string[]) => join(folder, format, ...names);
  const said: string[] = [];
  const files = readdirSync(at('statements')).map((name) => at('statements', name));
  const code = await verifyCommand([...files, '--readings', at('readings.csv.gz')], (line) => said.push(line));
  expect(said.join('\n')).not.toContain('✗');
  expect(code).toBe(0);
});
