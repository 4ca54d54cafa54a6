import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { describeWith, runProgram } from '../support/programs.ts';
import { withFolder } from '../content/samples.ts';
import { apr1, shaCrypt } from '../../src/serve/crypt.ts';
import { Htpasswd } from '../../src/serve/htpasswd.ts';
import { startRegistry } from '../../src/serve/registry.ts';
import { codesOf, send, withRegistry } from './client.ts';

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

function withFile<T>(text: string, work: (path: string) => Promise<T>): Promise<T> {
  return withFolder(async (folder) => {
    await writeFile(join(folder, 'htpasswd'), text);
    return await work(join(folder, 'htpasswd'));
  });
}

/** Kinds of hash of the password `pässword`. */
const kinds: readonly (readonly [string, string])[] = [
  ['{SHA}', '{SHA}I7dElEdfX4dJgLdnbVEeI9iG2mQ='],
  ['{SHA256}', '{SHA256}NHgme1YSeRtAmIkGs6eJfrarUB4EuV7TL5nQr99mnZw='],
  ['$apr1$', apr1('pässword', 'saltsalt')],
  ['$5$', shaCrypt('5', 'pässword', 'saltsalt', undefined)],
  ['$6$', shaCrypt('6', 'pässword', 'saltsalt', undefined)],
  ['$6$ with rounds', shaCrypt('6', 'pässword', 'saltsaltsaltsalt', 1234)],
];

describe('passwords', () => {
  test.each(kinds)('stored as %s are checked', (_, stored) =>
    withFile(`# users\n\nother:{SHA}0JQeaNqPOBUf+Gph/Fn3xc+fyqI=\nme:${stored}\n`, async (path) => {
      const users = await Htpasswd.load(path);
      for (let round = 0; round < 2; round += 1) {
        expect(() => users.check(basic('me', 'pässword'))).not.toThrow();
        for (const [user, password] of [
          ['me', 'passwort'],
          ['me', ''],
          ['you', 'pässword'],
          ['other', 'pässword'],
        ]) {
          expect(() => users.check(basic(user!, password!))).toThrow();
        }
      }
    }),
  );

  test.each([
    ['$apr1$ of Apache’s own example', apr1('myPassword', 'r31.....'), '$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/'],
    [
      '$5$ of Drepper’s',
      shaCrypt('5', 'Hello world!', 'saltstring', undefined),
      '$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5',
    ],
    [
      '$6$ of Drepper’s',
      shaCrypt('6', 'Hello world!', 'saltstring', undefined),
      '$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1',
    ],
    [
      '$6$ of Drepper’s with rounds',
      shaCrypt('6', 'Hello world!', 'saltstringsaltst', 10000),
      '$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.',
    ],
  ])('%s', (_, actual, expected) => {
    expect(actual).toBe(expected);
  });

  test.each([
    ['bcrypt', 'me:$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC', 'bcrypt is not part of Node'],
    ['crypt() or plain text', 'me:rqXexS6ZhobKA', 'another kind of hash'],
    ['MD5-crypt of another magic', 'me:$1$salt$qJH7.N4xYta3aEG/dfqo/0', 'another kind of hash'],
    ['no hash', 'me', 'not of the form'],
    ['no user', ':{SHA}0JQeaNqPOBUf+Gph/Fn3xc+fyqI=', 'not of the form'],
  ])('stored as %s are refused at the start, with the line and without the hash', (_, line, reason) =>
    withFile(`one:{SHA}0JQeaNqPOBUf+Gph/Fn3xc+fyqI=\n${line}\n`, async (path) => {
      const error: unknown = await startRegistry({ htpasswd: path }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'ERR_MLIST_CREDENTIALS', facts: { path } });
      expect((error as Error).message).toContain(`${path}:2`);
      expect((error as Error).message).toContain(reason);
      if (line.length > 4) expect((error as Error).message).not.toContain(line.slice(4));
    }),
  );

  test('in a file that is not there stop the start', async () => {
    await expect(startRegistry({ htpasswd: '/none/htpasswd' })).rejects.toMatchObject({
      code: 'ERR_MLIST_NOT_FOUND',
      message: 'cannot read /none/htpasswd: there is no such file or folder',
    });
    await expect(startRegistry({ htpasswd: tmpdir() })).rejects.toMatchObject({
      code: 'ERR_MLIST_FILE',
      message: `cannot read ${tmpdir()}: it is a folder`,
    });
  });
});

test('a registry with users answers nobody else', () =>
  withFile(`me:${kinds[0]![1]}\n`, (htpasswd) =>
    withRegistry({ htpasswd }, async (served) => {
      for (const authorization of [undefined, basic('me', 'wrong'), 'Bearer x', 'Basic', 'Basic !!!', 'Basic bWU=']) {
        for (const path of ['/v2/', '/v2/repo/manifests/v1', '/none']) {
          const answer = await served.get(path, authorization === undefined ? {} : { authorization });
          expect([answer.status, ...codesOf(answer)]).toEqual([401, 'UNAUTHORIZED']);
          expect(answer.headers['www-authenticate']).toBe('Basic realm="mlist", charset="UTF-8"');
        }
      }
      expect((await served.get('/v2/', { authorization: basic('me', 'pässword') })).status).toBe(200);
    }),
  ));

describeWith('openssl', 'another tool', () => {
  test.each(['-apr1', '-5', '-6'])('makes the same hash: passwd %s', async (kind) => {
    for (const password of ['a', 'pässword', 'x'.repeat(16), 'y'.repeat(100)]) {
      const stored = (await runProgram('openssl', 'passwd', kind, '-salt', 'sAlt.123', password)).trim();
      const ours =
        kind === '-apr1'
          ? apr1(password, 'sAlt.123')
          : shaCrypt(kind === '-5' ? '5' : '6', password, 'sAlt.123', undefined);
      expect(ours).toBe(stored);
    }
  });

  test('makes a certificate that the registry shows', () =>
    withFolder(async (folder) => {
      const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
      const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-days', '1'];
      await runProgram(
        'openssl',
        'req',
        '-x509',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-keyout',
        key,
        '-out',
        cert,
        ...subject,
      );
      const [certificate, secret] = [await readFile(cert), await readFile(key)];
      await withRegistry({ tls: { cert: certificate, key: secret } }, async ({ registry }) => {
        expect(registry.url).toBe(`https://${registry.host}`);
        expect((await send(registry.url, 'GET', '/v2/', { ca: certificate.toString() })).status).toBe(200);
        await expect(send(registry.url, 'GET', '/v2/')).rejects.toBeDefined();
      });
      await expect(startRegistry({ tls: { cert: 'none', key: secret } })).rejects.toMatchObject({
        code: 'ERR_MLIST_USAGE',
      });
    }));
});
