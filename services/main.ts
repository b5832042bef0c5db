#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { EXIT, EXIT_CODES, explain, suggestion } from './host/cli.ts';

type Command = { readonly says: string; readonly run: (argv: string[]) => Promise<number> };

// Loaded when asked for: `lachak verify` needs no database driver, `lachak start` no verifier.
const commands: Readonly<Record<string, Command>> = {
  start: {
    says: 'run the rooms; everything is kept in one folder',
    run: async (argv) =>
      (await import('./host/start-cli.ts')).startCommand(argv, async (names) => (await import('./roster.ts')).loadRooms(names)),
  },
  demo: {
    says: 'one peak event, from programme to signed statements, on simulated or your own homes',
    run: async (argv) => (await import('./demo/demo-cli.ts')).demoCommand(argv, await (await import('./roster.ts')).loadRooms()),
  },
  baseline: {
    says: 'compute baselines and delivered energy from readings and a request file',
    run: async (argv) => (await import('./performance/baseline-cli.ts')).baselineCommand(argv),
  },
  potential: {
    says: 'load research: how much load answers temperature or charges vehicles, and the MW to expect of it in the peak',
    run: async (argv) => (await import('./potential/potential-cli.ts')).potentialCommand(argv),
  },
  allocate: {
    says: 'settle trades of energy between neighbours: who gets what of the metered energy, and what it costs',
    run: async (argv) =>
      (await import('./market/allocate-cli.ts')).allocateCommand(argv, (await import('./host/core-file.ts')).coreBytes),
  },
  evaluate: {
    says: 'judge baseline methods on your own readings: bias, spread, and what each would have paid for nothing',
    run: async (argv) => (await import('./evaluate/evaluate-cli.ts')).evaluateCommand(argv),
  },
  state: {
    says: 'settle one event of a whole state of meters on this machine, and make any statement of it',
    run: async (argv) => (await import('./state/state-cli.ts')).stateCommand(argv),
  },
  verify: {
    says: 'recompute signed statements offline, from the readings they name',
    run: async (argv) => (await import('./verify.ts')).verifyCommand(argv),
  },
  token: {
    says: 'make a token for the API or for gRPC',
    run: async (argv) => (await import('./host/token-cli.ts')).tokenCommand(argv),
  },
  account: {
    says: 'let a person or a program sign in',
    run: async (argv) => (await import('./gateway/account-cli.ts')).accountCommand(argv),
  },
  'mqtt-files': {
    says: 'write the password and ACL files by which a broker of your own knows the devices',
    run: async (argv) => (await import('../devices/mqtt-files-cli.ts')).mqttFilesCommand(argv),
  },
  certs: {
    says: 'make a private CA and a certificate for each room',
    run: async (argv) => (await import('./host/certs-cli.ts')).certsCommand(argv),
  },
  database: {
    says: "make the rooms' schemas and logins in a PostgreSQL server",
    run: async (argv) => (await import('./host/database-cli.ts')).databaseCommand(argv),
  },
  facts: {
    says: "how far the rooms are in each other's facts; what is parked, and what becomes of it",
    run: async (argv) => (await import('./host/facts-cli.ts')).factsCommand(argv),
  },
  readings: {
    says: 'deliver files of readings; check what is stored; draw plain series from it',
    run: async (argv) => (await import('./metering/readings-cli.ts')).readingsCommand(argv),
  },
  doctor: {
    says: 'look at everything the rooms stand on, and say what is wrong',
    run: async (argv) =>
      (await import('./doctor/doctor-cli.ts')).doctorCommand(argv, async () => (await import('./roster.ts')).loadRooms()),
  },
  backup: {
    says: 'write the rooms, running or not, into a folder: tables, tiles, results and keys as of one instant',
    run: async (argv) =>
      (await import('./backup/backup-cli.ts')).backupCommand(
        argv,
        async () => (await import('./roster.ts')).loadRooms(),
        version(),
      ),
  },
  restore: {
    says: 'put the house, or one room, back to a backup',
    run: async (argv) =>
      (await import('./backup/restore-cli.ts')).restoreCommand(argv, async () => (await import('./roster.ts')).loadRooms()),
  },
  config: {
    says: 'print the configuration that holds, and who said what',
    run: async (argv) => (await import('./host/start-cli.ts')).configCommand(argv),
  },
};

const HELP = `lachak COMMAND [options]

From a programme to a signed statement that anyone can recompute: demand flexibility for a DISCOM.

${Object.entries(commands)
  .map(([name, { says }]) => `  ${name.padEnd(10)} ${says}`)
  .join('\n')}

lachak COMMAND --help says more; lachak --version says which.

${EXIT_CODES}
`;

process.exitCode = await main(process.argv.slice(2));
// The work is over: a connection that something forgot to close must not keep the shell waiting.
setTimeout(() => process.exit(), 500).unref();

async function main([name, ...argv]: readonly string[]): Promise<number> {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(HELP);
    return name === undefined ? EXIT.usage : EXIT.done;
  }
  if (name === '--version' || name === '-v') {
    process.stdout.write(`${version()}\n`);
    return EXIT.done;
  }
  const command = commands[name];
  if (!command) {
    process.stderr.write(`lachak: there is no command ${name}${suggestion(name, Object.keys(commands))}\n`);
    return EXIT.usage;
  }
  try {
    return await command.run(argv);
  } catch (error) {
    const { message, exit } = explain(error);
    process.stderr.write(`lachak ${name}: ${message}\n`);
    return exit;
  }
}

/** package.json lies one folder up from the source and two from the compiled file. */
function version(): string {
  for (const place of ['../package.json', '../../package.json']) {
    try {
      return (JSON.parse(readFileSync(new URL(place, import.meta.url), 'utf8')) as { version: string }).version;
    } catch {
      // The other place.
    }
  }
  return 'unknown';
}
