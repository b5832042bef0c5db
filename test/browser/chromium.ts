import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';
import { fromDebian } from '../servers/debian.ts';

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
  fromDebian(['chromium', 'fonts-noto-core'], () => existsSync(PATH), []);
  return chromium.launch({ executablePath: PATH, args: FLAGS });
}
