import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Access } from '../../gen/lachak/v1/access_pb.ts';
import { room as gateway } from '../../services/gateway/service.ts';
import { type TestHost, testHost } from '../../services/host/testing.ts';
import { launchChromium } from './chromium.ts';
import { pretence } from './pretend.ts';

const PASSWORD = 'a long enough one';
const WIDE = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };
const SMALL = { width: 360, height: 640 };
const pretend = pretence();
let host: TestHost;
let base: string;
let browser: Browser;
let page: Page;
let complaints: string[];
/** What a step expects the browser to complain about; all else fails the test. */
let expected: RegExp[];
const pictures = process.env.LACHAK_SCREENSHOTS || mkdtempSync(join(tmpdir(), 'lachak-console-'));

beforeAll(async () => {
  if (!existsSync('dist/services/gateway/console/index.html'))
    execFileSync('npx', ['vite', 'build', 'services/gateway/console', '--logLevel', 'warn']);
  mkdirSync(pictures, { recursive: true });
  [host, browser] = await Promise.all([testHost({ rooms: [pretend.rooms, gateway] }), launchChromium()]);
  base = host.host.announced.get('console')!;
  const as = { as: await host.token('operator') };
  await host.connect(Access).putUser({ userId: 'asha@brpl', password: PASSWORD, roles: ['operator'] }, as);
  await host
    .connect(Access)
    .putUser({ userId: 'home@brpl', password: PASSWORD, roles: ['consumer'], participantId: 'home-004' }, as);
});
afterAll(async () => {
  await browser?.close();
  await host?.stop();
});

beforeEach(() => {
  complaints = [];
  expected = [];
});
afterEach(async () => {
  const unexpected = complaints.filter((complaint) => !expected.some((pattern) => pattern.test(complaint)));
  await page?.context().close();
  expect(unexpected, 'the browser complains about nothing').toEqual([]);
});

type Setting = { viewport: { width: number; height: number }; scheme?: 'light' | 'dark'; locale?: string };
async function open({ viewport, scheme = 'light', locale = 'en-IN' }: Setting): Promise<void> {
  const context = await browser.newContext({ viewport, locale, colorScheme: scheme, acceptDownloads: true, timezoneId: 'UTC' });
  page = await context.newPage();
  page.setDefaultTimeout(10_000);
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
}
async function signIn(user: string): Promise<void> {
  expected.push(/401/); // the first question is asked without a session
  await page.goto(base);
  await page.waitForSelector('#username');
  await page.fill('#username', user);
  await page.fill('#password', PASSWORD);
  await page.click('button[type=submit]');
  await page.waitForURL(`${base}/`);
}
const picture = (name: string) => page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
const see = (text: string | RegExp) => page.getByText(text).first().waitFor();
const tab = (name: string) => page.getByRole('tab', { name }).click();
/** Nothing sticks out to the side: a page that scrolls sideways is broken on a phone. */
async function fits(): Promise<void> {
  const beyond = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
  expect(beyond, `${page.url()} is no wider than the screen`).toBeLessThanOrEqual(0);
}
async function shown(name: string): Promise<void> {
  await fits();
  await picture(name);
}

describe.each([
  { name: 'wide-light', viewport: WIDE, scheme: 'light' as const },
  { name: 'phone-dark', viewport: PHONE, scheme: 'dark' as const },
])('an operator, $name', ({ name, viewport, scheme }) => {
  test('sees events and programmes, and follows one event to its statements', async () => {
    await open({ viewport, scheme });
    await signIn('asha@brpl');
    await see('Feeder Saket-4 near its limit');
    await see('₹4.00 for each kWh; ₹10.00 for taking part');
    await see('every day 18:00–23:00; notice 120 minutes before');
    await shown(`${name}-events`);

    await page.getByText('Feeder Saket-4 near its limit').click();
    await see('Measured now');
    await see(/from 20 live meters; a further .* kW is estimated/);
    await see('120 resources behind 100 settlement points');
    await see(/as of 19:[345]/);
    await page.waitForSelector('.chart canvas');
    await shown(`${name}-live`);

    await tab('Instructions');
    await see('charger-001');
    await see('L3 measured, device meter');
    await page.fill('#search', 'OVERRIDDEN');
    await see('set back to 22 °C by hand');
    await page.fill('#search', '');
    await see('ac-002');
    await page.getByRole('button', { name: 'Next' }).click();
    await see('Page 2');
    await shown(`${name}-instructions`);

    await page.getByRole('link', { name: 'All events' }).click();
    await page.locator('.event', { hasText: '5 May' }).click();
    await see('Portfolio of 100 settlement points');
    await page.waitForSelector('.chart canvas');
    await shown(`${name}-result`);
    await page.fill('#point', 'point-004');
    await page.keyboard.press('Enter');
    await see('2 intervals have no reading');
    await shown(`${name}-result-point`);
    await page.getByRole('button', { name: 'Show as table' }).click();
    await see('kWh of each interval. The window is shaded.');
    await see('no reading');
    await shown(`${name}-result-table`);

    await tab('Settlement');
    await see('₹1,685.68');
    await see('+₹4.32 against the version before, 1 point changed');
    await see(/what the same terms would have paid 5 homes asked nothing/);
    await page.getByText('1 earlier run').click();
    await shown(`${name}-settlement`);
    const [file] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download the signed statement of home-001' }).first().click(),
    ]);
    expect(readFileSync(await file.path(), 'utf8')).toBe('{"of":"statement-0"}');
    const [bill] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download CSV' }).click()]);
    expect(bill.suggestedFilename()).toBe('bill-credits-2026-05.csv');
  });

  test('schedules an event, is told what the terms refuse, and cancels it', async () => {
    await open({ viewport, scheme });
    expected.push(/400/);
    await signIn('asha@brpl');
    await page.getByRole('link', { name: 'Schedule', exact: true }).click();
    await page.selectOption('#from', '16:00');
    await page.selectOption('#to', '18:00');
    await page.fill('#target', '90');
    await page.getByRole('button', { name: 'Schedule' }).click();
    await see('The terms allow no event then');
    await shown(`${name}-refused`);
    await page.getByRole('button', { name: /Take the nearest valid window: .*, 18:00–20:00/ }).click();
    await page.getByRole('button', { name: 'Schedule' }).click();
    await see(/Scheduled\. Who takes part is fixed at/);
    await shown(`${name}-scheduled`);
    await page.getByRole('button', { name: 'Cancel the event' }).click();
    await see('Nothing will be asked of anyone');
    await shown(`${name}-cancel`);
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel the event' }).click();
    await see('The event was cancelled. Nothing is settled.');
    await see('18:00–20:00'); // what was planned, not the nothing that is left of it
  });
});

test('a lost connection is said, and comes back by itself', async () => {
  await open({ viewport: WIDE });
  expected.push(/ERR_INCOMPLETE_CHUNKED_ENCODING/);
  await signIn('asha@brpl');
  await page.goto(`${base}/events/tonight`);
  await see('Measured now');
  pretend.cut();
  await see('Connection lost, trying again.');
  await page.getByText('Connection lost, trying again.').waitFor({ state: 'detached' });
});

test('what is not there is said with its request number, and can be tried again', async () => {
  await open({ viewport: PHONE });
  expected.push(/404/);
  await signIn('asha@brpl');
  await page.goto(`${base}/events/none`);
  await see('There is no event none');
  await see(/Request [0-9a-f-]{8,}/);
  await page.getByRole('button', { name: 'Try again' }).waitFor();
  await shown('phone-light-not-found');
  await page.goto(`${base}/nowhere`);
  await see('No such page');
});

test.each([
  { name: 'wide-dark-hi', viewport: WIDE, scheme: 'dark' as const },
  { name: 'small-light-hi', viewport: SMALL, scheme: 'light' as const },
])('in Hindi, $name', async ({ name, viewport, scheme }) => {
  await open({ viewport, scheme });
  await signIn('asha@brpl');
  await page.getByRole('button', { name: 'हिन्दी' }).click();
  await see('इवेंट तय करें');
  expect(await page.getAttribute('html', 'lang')).toBe('hi');
  await page.reload();
  await see('कार्यक्रम'); // the choice is kept
  await shown(`${name}-events`);
  await page.goto(`${base}/events/tonight`);
  await see('अभी मापा गया');
  await see(/19:[345]. की स्थिति/);
  await shown(`${name}-live`);
  await page.goto(`${base}/events/last-week?tab=result`);
  await see('100 निपटान बिंदुओं का पोर्टफ़ोलियो');
  await page.waitForSelector('.chart canvas');
  await shown(`${name}-result`);
  await page.goto(`${base}/events/last-week?tab=settlement`);
  await see('बिना कारण जमा');
  await shown(`${name}-settlement`);
  await page.goto(`${base}/schedule`);
  await see('मिलते-जुलते');
  await shown(`${name}-schedule`);
});

test.each([
  { name: 'small-light', viewport: SMALL },
  { name: 'wide-light', viewport: WIDE },
])('a household answers its notice and sees its credits and its own curve, $name', async ({ name, viewport }) => {
  await open({ viewport });
  await signIn('home@brpl');
  await see('Please use less electricity between 18:00–20:00, if you can.');
  await see('₹11.29');
  await page.waitForSelector('.chart canvas');
  await shown(`${name}-home`);
  await page.getByRole('button', { name: 'I will' }).first().click();
  await page.waitForResponse((answer) => answer.url().includes('/answer') && answer.ok()).catch(() => {});
  expect(pretend.answers).toContain('tomorrow behavioural-004 true');
});
