import 'reflect-metadata'; // @peculiar/x509 stands on it
import { webcrypto } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import * as x509 from '@peculiar/x509';
import { invalid } from '../domain/outcome.ts';
import { roomNames } from './arrows.ts';
import { EXIT, readWords, suggestion } from './cli.ts';
import type { RoomName } from './room.ts';
import { roomUri } from './tls.ts';

const HELP = `lachak certs DIR [ROOM…] [--days 90] [--ca-days 3650]

Makes a private CA in DIR (ca.pem, ca.key) and a certificate and key for each room, or for those named: for trials, or until your own
CA issues certificates whose URI says lachak:room:<name>. An existing CA is kept and used again; existing certificates are renewed, and
rooms that run read the new ones within a second.

  rooms: ${roomNames.join(', ')}

Keep ca.key away from the rooms: whoever has it can be any of them.
`;

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;

/** `lachak certs`. */
export async function certsCommand(argv: readonly string[]): Promise<number> {
  const { values, positionals } = readWords(argv, { days: { type: 'string' }, 'ca-days': { type: 'string' } });
  if (values.help) {
    process.stdout.write(HELP);
    return EXIT.done;
  }
  const [folder, ...named] = positionals;
  if (folder === undefined) throw invalid('usage', 'name the folder for the certificates: lachak certs DIR');
  for (const name of named)
    if (!roomNames.includes(name as RoomName))
      throw invalid('usage', `there is no room ${name}${suggestion(name, roomNames)}; rooms: ${roomNames.join(', ')}`);
  const rooms = named.length > 0 ? (named as RoomName[]) : roomNames;
  await makeCertificates(resolve(folder), rooms, { days: days(values.days, 90), caDays: days(values['ca-days'], 3650) });
  process.stdout.write(
    `${rooms.map((room) => join(folder, `${room}.pem`)).join('\n')}\n` +
      `Each process: --tls-ca ${join(folder, 'ca.pem')} --tls-cert ${join(folder, 'ROOM.pem')} --tls-key ${join(folder, 'ROOM.key')}\n`,
  );
  return EXIT.done;
}

/** Files `ca.pem`, `ca.key`, `<room>.pem`, `<room>.key` in `folder`, keys 0600; ECDSA P-256. `from` is for tests. */
export async function makeCertificates(
  folder: string,
  rooms: readonly RoomName[],
  { days = 90, caDays = 3650, from = Date.now() - 60_000 } = {}, // a minute ago: clocks differ a little
): Promise<void> {
  x509.cryptoProvider.set(webcrypto as never);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const ca = await authority(folder, caDays);
  for (const room of rooms) {
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serial(),
      subject: `CN=${room}, O=Lachak`,
      issuer: ca.certificate.subject,
      notBefore: new Date(from),
      notAfter: new Date(from + days * DAY_MS),
      signingAlgorithm: ALGORITHM,
      publicKey: keys.publicKey as never,
      signingKey: ca.key as never,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
        new x509.SubjectAlternativeNameExtension([{ type: 'url', value: roomUri(room) }]),
      ],
    });
    writeFileSync(join(folder, `${room}.pem`), `${certificate.toString('pem')}\n`, { mode: 0o644 });
    writeFileSync(join(folder, `${room}.key`), await pem(keys.privateKey), { mode: 0o600 });
  }
}

async function authority(folder: string, days: number): Promise<{ certificate: x509.X509Certificate; key: webcrypto.CryptoKey }> {
  const [certFile, keyFile] = [join(folder, 'ca.pem'), join(folder, 'ca.key')];
  if (existsSync(certFile)) {
    const der = x509.PemConverter.decodeFirst(readFileSync(keyFile, 'utf8'));
    const key = await webcrypto.subtle.importKey('pkcs8', der, ALGORITHM, false, ['sign']);
    return { certificate: new x509.X509Certificate(readFileSync(certFile, 'utf8')), key };
  }
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const from = Date.now() - 60_000;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: `CN=Lachak trial CA ${serial().slice(0, 8)}, O=Lachak`,
    notBefore: new Date(from),
    notAfter: new Date(from + days * DAY_MS),
    signingAlgorithm: ALGORITHM,
    keys: keys as never,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    ],
  });
  writeFileSync(keyFile, await pem(keys.privateKey), { mode: 0o600 });
  writeFileSync(certFile, `${certificate.toString('pem')}\n`, { mode: 0o644 });
  return { certificate, key: keys.privateKey };
}

const pem = async (key: webcrypto.CryptoKey): Promise<string> =>
  `${x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`;

// Positive and 127 bits: a leading one would read as a negative number.
const serial = (): string => {
  const bytes = webcrypto.getRandomValues(new Uint8Array(16));
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return Buffer.from(bytes).toString('hex');
};

function days(said: unknown, otherwise: number): number {
  const number = said === undefined ? otherwise : Number(said);
  if (Number.isInteger(number) && number > 0 && number <= 36_500) return number;
  throw invalid('usage', `days are a whole number from 1 to 36500, not "${said}"`);
}
