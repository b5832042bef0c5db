import { execFileSync, spawnSync } from 'node:child_process';

/**
 * Sees to it that packages of Debian's are there: installs them when `found` finds nothing and this is root; else throws, saying what to
 * install. One at a time, for suites run beside each other; what another one is just installing is waited for.
 */
export function fromDebian(packages: readonly string[], found: () => boolean, flags = ['--no-install-recommends']): void {
  if (found() && !packages.some(isUnderWay)) return;
  const named = packages.join(' ');
  if (process.getuid?.() !== 0) throw new Error(`${packages[0]} is missing: apt-get install ${named}`);
  const install = `apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq ${flags.join(' ')} ${named}`;
  execFileSync('flock', ['/tmp/apt.lock', 'sh', '-c', install], { stdio: 'pipe', timeout: 600_000 });
  if (!found()) throw new Error(`${packages[0]} is still not there after apt-get install ${named}`);
}

/** Its files may lie there already, its user not yet. */
function isUnderWay(name: string): boolean {
  const { stdout } = spawnSync('dpkg', ['-s', name], { encoding: 'utf8' });
  const state = /^Status: \S+ \S+ (\S+)$/m.exec(stdout ?? '')?.[1]; // none: it came another way
  return state !== undefined && !['installed', 'not-installed', 'config-files'].includes(state);
}
