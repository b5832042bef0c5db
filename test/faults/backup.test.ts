import { execFile, execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Facts } from '../../gen/lachak/v1/host_pb.ts';
import type { Manifest } from '../../services/backup/manifest.ts';
import { makeLogins } from '../../services/host/database-cli.ts';
import { type Postgres15, startPostgres15 } from '../servers/postgres15.ts';
import { type Books, doubled, readBooks } from './books.ts';
import { evening } from './evening.ts';
import { endServer, type House } from './house.ts';
import type { Act } from './play.ts';
import { tour } from './tour.ts';
import { at } from './town.ts';

// One evening with real devices on real sockets, backed up while it runs: before anybody has consented, and before anything is settled.
// Then rooms, and the whole house, are put back to those backups while their neighbours stay where they are.
const MAIN = fileURLToPath(new URL('../../dist/services/main.js', import.meta.url));
const BEFORE_CONSENT = 'consent';
const BEFORE_SETTLING = 'settle';

type Ended = { readonly code: number; readonly out: string };
const lachak = (...argv: string[]): Promise<Ended> =>
  new Promise((done) => {
    execFile(process.execPath, [MAIN, ...argv], (error, stdout, stderr) =>
      done({ code: error ? Number(error.code) : 0, out: stdout + stderr }),
    );
  });

describe('a house that is backed up while it runs', () => {
  const place = mkdtempSync(join(tmpdir(), 'lachak-backup-'));
  const home = join(place, 'home');
  const [early, late] = [join(place, 'early'), join(place, 'late')];
  const story = evening();
  const running: House[] = [];
  let calm: Books;

  const backup = (target: string): Act => ({
    name: `backup ${target}`,
    run: async () => {
      const { code, out } = await lachak('backup', target, '--folder', home);
      if (code !== 0) throw new Error(out);
    },
  });
  /** The acts from one on, on whatever lies in the folder. */
  const goOn = async (folder: string, from: string): Promise<Books> => {
    const acts = story.acts.slice(story.acts.findIndex(({ name }) => name === from));
    const { house, stage } = await tour(acts, { folder, clockStart: at(6), faults: [], blows: [], devicesUp: () => 0 });
    running.push(house);
    const books = await readBooks(stage, story.acknowledged);
    expect((await house.stop()).code, house.errors()).toBe(0);
    return books;
  };
  const copyOf = (name: string): string => {
    const folder = join(place, name);
    execFileSync('cp', ['-a', home, folder]);
    return folder;
  };
  beforeAll(async () => {
    const acts = story.acts.flatMap((act) => {
      if (act.name === BEFORE_CONSENT) return [backup(early), act];
      return act.name === BEFORE_SETTLING ? [backup(late), act] : [act];
    });
    const { devicesUp } = story;
    const { house, stage } = await tour(acts, { folder: home, clockStart: at(6), faults: [], blows: [], devicesUp });
    running.push(house);
    calm = await readBooks(stage, story.acknowledged);
    expect((await house.stop()).code, house.errors()).toBe(0);
    expect(calm.lost).toEqual([]);
    expect(calm.runs.length).toBeGreaterThanOrEqual(2);
  });
  afterAll(async () => {
    await story.close();
    for (const house of running) house.kill();
    for (const name of readdirSync(place)) endServer(join(place, name));
    rmSync(place, { recursive: true, force: true });
  });

  test('is whole, and says so; changed anywhere, it is refused before anything is', async () => {
    expect(await lachak('backup', late, '--check')).toMatchObject({ code: 0, out: expect.stringContaining('whole: Lachak') });
    const { schemas, files, oneInstant } = JSON.parse(readFileSync(join(late, 'backup.json'), 'utf8')) as Manifest;
    expect(oneInstant).toBe(true);
    expect(Object.keys(schemas)).toEqual(expect.arrayContaining(['host', 'registry', 'settlement', 'gateway']));
    const kinds = files.map(({ path }) => path.replace(/[0-9a-f]{16,}/g, '*'));
    for (const part of ['secrets/', 'registry/master.key', 'devices/', 'metering/tiles/'])
      expect(
        kinds.some((path) => path.startsWith(part)),
        part,
      ).toBe(true);
    expect(kinds).not.toContain('secrets/postgres-password');
    expect((await lachak('backup', late, '--folder', home)).out).toContain('is there already');
    expect((await lachak('backup', join(place, 'none'), '--folder', place)).out).toContain('holds no installation');

    const bad = join(place, 'bad');
    execFileSync('cp', ['-a', late, bad]);
    appendFileSync(join(bad, 'files', files.find(({ path }) => path.includes('/tiles/'))!.path), 'x');
    const { code, out } = await lachak('restore', bad, '--folder', join(place, 'nothing'));
    expect(code).not.toBe(0);
    expect(out).toContain('the backup is damaged at files/metering/tiles/');
    expect(existsSync(join(place, 'nothing', 'postgres'))).toBe(false);
  });

  test('goes on from it in an empty folder: the same statements, byte for byte', async () => {
    const folder = join(place, 'elsewhere');
    const told = await lachak('restore', late, '--folder', folder);
    expect(told).toMatchObject({ code: 0, out: expect.stringContaining('restored') });
    expect(await goOn(folder, BEFORE_SETTLING)).toEqual(calm);
  });

  test('settlement, put back to before it had settled anything, settles the same again, once', async () => {
    const folder = copyOf('settlement');
    const refused = await lachak('restore', late, 'settlement', '--folder', folder);
    expect(refused.out).toContain('--replace throws it away');
    const told = await lachak('restore', late, 'settlement', '--replace', '--folder', folder);
    expect(told.out).toMatch(/settlement {3}loses \d+ facts since then \(.*runClosed/);
    expect(told.code).toBe(0);
    const books = await goOn(folder, 'settle again');
    expect(doubled(books.credited)).toEqual([]);
    expect(books).toEqual(calm);
  });

  test('performance, put back, would leave settlement ahead of it: named; both put back agree again', async () => {
    const folder = copyOf('performance');
    const refused = await lachak('restore', late, 'performance', '--replace', '--folder', folder);
    expect(refused.code).not.toBe(0);
    expect(refused.out).toMatch(/settlement has handled facts of performance up to \d+.*--with-followers/);
    expect(await lachak('restore', late, 'performance', '--replace', '--with-followers', '--folder', folder)).toMatchObject({
      code: 0,
      out: expect.stringContaining('settlement   is put back too'),
    });
    expect(await goOn(folder, 'settle again')).toEqual(calm);
  });

  test('enrolment, put back alone: its followers stand still and say why, until a person lets them go on', async () => {
    const folder = copyOf('enrolment');
    const told = await lachak('restore', early, 'enrolment', '--replace', '--leave-followers', '--folder', folder);
    expect(told.code).toBe(0);
    expect(told.out).toMatch(/enrolment {4}loses \d+ facts since then \(\d+ consentGiven, \d+ resourceEnrolled/);
    const [lost] = readdirSync(join(folder, 'enrolment')).filter((name) => name.startsWith('lost-facts-'));
    expect(readFileSync(join(folder, 'enrolment', lost!), 'utf8')).toContain('"consentGiven"');

    const { house, stage } = await tour([], { folder, clockStart: at(6), faults: [], blows: [], devicesUp: () => 0 });
    running.push(house);
    const operator = await house.as('operator');
    const facts = house.connect(Facts);
    const standing = async () => (await facts.getStanding({}, operator)).followers.filter(({ putBack }) => putBack);
    const followers = ['dispatch', 'metering', 'performance'];
    await expect.poll(async () => (await standing()).map(({ room }) => room).sort(), { timeout: 20_000 }).toEqual(followers);
    expect((await lachak('facts', '--folder', folder)).out).toContain('enrolment was put back to its fact 0');

    // What its lost facts say is entered again: new facts, at positions that its followers have seen before.
    await story.acts.find(({ name }) => name === BEFORE_CONSENT)!.run(stage);
    expect((await standing()).map(({ room }) => room).sort()).toEqual(followers);
    for (const room of followers)
      expect(
        await lachak('facts', 'rejoin', room, '--upstream', 'enrolment', '--reason', 'trial', '--folder', folder),
      ).toMatchObject({ code: 0 });
    const left = async () =>
      (await facts.getStanding({}, operator)).followers.filter((one) => one.putBack || one.behind > 0n || one.parked > 0n);
    await expect.poll(left, { timeout: 20_000 }).toEqual([]);
    expect((await house.stop()).code).toBe(0);
  });

  describe('and restored elsewhere', () => {
    let server: Postgres15;
    beforeAll(async () => {
      server = await startPostgres15();
    });
    afterAll(() => server?.stop());

    test('PostgreSQL 15 with a login a room takes what the embedded 18 gave, and gives the same', async () => {
      const logins = await makeLogins(server.url);
      const config = join(place, 'served.json');
      const folder = join(place, 'served');
      writeFileSync(config, JSON.stringify({ folder, databaseUrls: Object.fromEntries(logins) }));
      const put = await lachak('restore', late, '--config', config);
      expect(put.code, put.out).toBe(0);
      const again = join(place, 'again');
      const taken = await lachak('backup', again, '--config', config, '--like', late);
      expect(taken.code, taken.out).toBe(0);
      const [then, now] = [late, again].map((one) => JSON.parse(readFileSync(join(one, 'backup.json'), 'utf8')) as Manifest);
      expect(now!.oneInstant).toBe(true);
      expect(now!.postgres).toMatch(/^15/);
      const { host: _, ...rooms } = then!.schemas;
      for (const [room, { tables, outbox }] of Object.entries(rooms))
        expect(now!.schemas[room]).toMatchObject({ tables, outbox });
      expect(now!.files).toEqual(then!.files);
      // Who follows may read what was made anew, and nobody else.
      const dispatch = new pg.Client({ connectionString: logins.get('dispatch')! });
      await dispatch.connect();
      try {
        const { rows } = await dispatch.query('select count(*)::int as facts from enrolment.outbox');
        expect(rows[0].facts).toBeGreaterThan(0);
        await expect(dispatch.query('select count(*) from enrolment.consent')).rejects.toMatchObject({ code: '42501' });
      } finally {
        await dispatch.end();
      }
    });
  });
});
