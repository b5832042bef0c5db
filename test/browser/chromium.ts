import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const PATH = '/usr/bin/chromium';
// As root Chromium has no sandbox; the rest keeps it from calling home.
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Debian's Chromium, installed when it is missing and we may; otherwise it says what to install. */
export async function launchChromium(): Promise<Browser> {
  if (!existsSync(PATH)) {
    if (process.getuid?.() !== 0) throw new Error('the browser test needs Chromium: apt-get install -y chromium fonts-noto-core');
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    execFileSync('apt-get', ['update', '-qq'], { env, stdio: 'ignore' });
    execFileSync('apt-get', ['install', '-y', '-qq', 'chromium', 'fonts-noto-core'], { env, stdio: 'ignore' });
  }
  return chromium.launch({ executablePath: PATH, args: FLAGS });
}
