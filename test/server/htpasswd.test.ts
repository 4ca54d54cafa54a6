import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { describe, expect, test } from '@jest/globals';
import { describeWith, runProgram } from '../support/programs.ts';
import { withFolder } from '../store/samples.ts';
import type { MlistError } from '../../src/errors/errors.ts';
import { startRegistry } from '../../src/server/start-registry.ts';
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

/** Supported hashes, each with its password. `$2a$` is a test vector of crypt_blowfish, `$2y$` the example of Apache. */
const hashes: readonly (readonly [scheme: string, password: string, hash: string])[] = [
  ['{SHA}', 'pässword', '{SHA}I7dElEdfX4dJgLdnbVEeI9iG2mQ='],
  ['{SHA256}', 'pässword', '{SHA256}NHgme1YSeRtAmIkGs6eJfrarUB4EuV7TL5nQr99mnZw='],
  ['$2a$', 'U*U', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'],
  ['$2b$', 's3cret-of-the-test', '$2b$04$fjVYGYjIMpMesbSwXNjmbOT87EGyF6WJuZt0QkMx3suMm8Cz76CA2'],
  ['$2y$', 'myPassword', '$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC'],
  ['$2y$ of a password that is not ASCII', 'pässword', '$2y$04$abcdefghijklmnopqrstuum174eFeoTj0DHmtuueFaS3Wde4P7wHG'],
];
const [, password, bcryptHash] = hashes[5]!;

/** Records the messages to worker threads during the work, and whether all threads have ended after it. */
async function watchWorkers<T>(work: (compared: readonly Compared[]) => Promise<T>): Promise<boolean> {
  const compared: Compared[] = [];
  let running = 0;
  const onWorker = (message: unknown): void => {
    const { worker } = message as { worker: Worker };
    running += 1;
    worker.once('exit', () => (running -= 1));
    const post = worker.postMessage.bind(worker);
    worker.postMessage = (request: Compared) => {
      compared.push(request);
      post(request);
    };
  };
  subscribe('worker_threads', onWorker);
  try {
    await work(compared);
  } finally {
    unsubscribe('worker_threads', onWorker);
  }
  return running === 0;
}

interface Compared {
  readonly password: string;
  readonly hash: string;
}

describe('passwords', () => {
  test.each(hashes)('stored as %s are checked', (_, right, hash) =>
    withFile(`# users\n\nother:{SHA}0JQeaNqPOBUf+Gph/Fn3xc+fyqI=\nme:${hash}\n`, (htpasswd) =>
      withRegistry({ htpasswd }, async (served) => {
        const login = async (user: string, given: string) =>
          (await served.get('/v2/', { authorization: basic(user, given) })).status;
        for (let round = 0; round < 2; round += 1) {
          expect(await login('me', right)).toBe(200);
          expect(await login('me', `${right}x`)).toBe(401);
          expect(await login('me', '')).toBe(401);
          expect(await login('you', right)).toBe(401);
          expect(await login('other', right)).toBe(401);
        }
      }),
    ),
  );

  test.each([
    ['$apr1$', '$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/'],
    ['$1$', '$1$salt$qJH7.N4xYta3aEG/dfqo/0'],
    ['$5$', '$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5'],
    ['$6$', '$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1'],
    ['$2x$', bcryptHash.replace('$2y$', '$2x$')],
    ['bcrypt with an impossible cost', bcryptHash.replace('$04$', '$99$')],
    ['truncated bcrypt', bcryptHash.slice(0, -1)],
    ['crypt()', 'rqXexS6ZhobKA'],
    ['plain text', 'my-password'],
    ['nothing', ''],
  ])('stored as %s are refused at start, with the user and without the hash', (_, hash) =>
    withFile(`one:{SHA}0JQeaNqPOBUf+Gph/Fn3xc+fyqI=\nalice:${hash}\n`, async (path) => {
      const error = (await startRegistry({ htpasswd: path }).catch((thrown: unknown) => thrown)) as MlistError;
      expect(error).toMatchObject({ code: 'ERR_MLIST_USAGE', exitCode: 2, facts: { path } });
      expect(error.message).toContain(`${path}:2 cannot be used: the hash of user "alice" is not supported`);
      expect(error.hint).toContain('hashPassword or "htpasswd -B"');
      if (hash !== '') expect(JSON.stringify(error)).not.toContain(hash);
    }),
  );

  test.each([
    ['no hash', 'my-password'],
    ['no user', ':{SHA}0JQeaNqPOBUf+Gph/Fn3xc+fyqI='],
  ])('of a line with %s are refused at start, without the line', (_, line) =>
    withFile(`${line}\n`, async (path) => {
      const error = (await startRegistry({ htpasswd: path }).catch((thrown: unknown) => thrown)) as MlistError;
      expect(error).toMatchObject({ code: 'ERR_MLIST_USAGE', exitCode: 2, facts: { path } });
      expect(error.message).toBe(`${path}:1 cannot be used: the line must have the form USER:HASH or USER:HASH:RIGHTS`);
      expect(JSON.stringify(error)).not.toContain(line.slice(1));
    }),
  );

  test('in a missing file prevent the start', async () => {
    await expect(startRegistry({ htpasswd: '/none/htpasswd' })).rejects.toMatchObject({
      code: 'ERR_MLIST_NOT_FOUND',
      message: 'cannot read /none/htpasswd: no such file or directory',
    });
    await expect(startRegistry({ htpasswd: tmpdir() })).rejects.toMatchObject({
      code: 'ERR_MLIST_FILE',
      message: `cannot read ${tmpdir()}: it is a folder`,
    });
  });
});

describe('comparisons by bcrypt', () => {
  const users = `me:${bcryptHash}\nslow:${bcryptHash.replace('$04$', '$06$')}\nsha:${hashes[0]![2]}\n`;

  test('run in a thread, which ends with the registry', () =>
    withFile(users, async (htpasswd) => {
      const ended = await watchWorkers((compared) =>
        withRegistry({ htpasswd }, async (served) => {
          await served.get('/v2/', { authorization: basic('sha', password) });
          expect(compared).toEqual([]);
          await served.get('/v2/', { authorization: basic('me', password) });
          expect(compared).toMatchObject([{ password, hash: bcryptHash }]);
        }),
      );
      expect(ended).toBe(true);
    }));

  test('run once for a correct password, also for parallel requests, and once for each wrong one', () =>
    withFile(users, (htpasswd) =>
      watchWorkers((compared) =>
        withRegistry({ htpasswd }, async (served) => {
          const login = async (given: string) =>
            (await served.get('/v2/', { authorization: basic('me', given) })).status;
          expect(await Promise.all(Array.from({ length: 5 }, () => login(password)))).toEqual(Array(5).fill(200));
          expect(await login(password)).toBe(200);
          expect(compared).toHaveLength(1);
          for (let round = 0; round < 2; round += 1) expect(await login('wrong')).toBe(401);
          expect(compared.map((one) => one.password)).toEqual([password, 'wrong', 'wrong']);
          expect(await login(password)).toBe(200);
          expect(compared).toHaveLength(3);
        }),
      ),
    ));

  test('run for unknown users as well, with the highest cost of the file', () =>
    withFile(users, (htpasswd) =>
      watchWorkers((compared) =>
        withRegistry({ htpasswd }, async (served) => {
          for (const user of ['you', 'you', ''])
            expect((await served.get('/v2/', { authorization: basic(user, password) })).status).toBe(401);
          expect(compared).toHaveLength(3);
          for (const { hash } of compared) expect(hash).toMatch(/^\$2b\$06\$.{53}$/);
          expect((await served.get('/v2/')).status).toBe(401);
          expect(compared).toHaveLength(3);
        }),
      ),
    ));

  test('run for wrong passwords of users with other hashes as well', () =>
    withFile(`${users}\nfast:${hashes[1]![2]}\n`, (htpasswd) =>
      watchWorkers((compared) =>
        withRegistry({ htpasswd }, async (served) => {
          const login = async (given: string) =>
            (await served.get('/v2/', { authorization: basic('fast', given) })).status;
          expect([await login('wrong'), compared.length]).toEqual([401, 1]);
          expect([await login(hashes[1]![1]), compared.length]).toEqual([200, 1]);
        }),
      ),
    ));

  test('are limited: further logins are asked to wait', () =>
    withFile(users, (htpasswd) =>
      withRegistry({ htpasswd }, async (served) => {
        const logins = Array.from({ length: 200 }, (_, at) =>
          served.get('/v2/', { authorization: basic(`user${at}`, 'wrong') }),
        );
        const answers = await Promise.all(logins);
        expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401, 429]));
        expect(answers.find(({ status }) => status === 429)?.headers['retry-after']).toBe('2');
        expect((await served.get('/v2/', { authorization: basic('me', password) })).status).toBe(200);
      }),
    ));

  test('of other passwords of the same user do not disturb each other', () =>
    withFile(users, (htpasswd) =>
      withRegistry({ htpasswd }, async (served) => {
        const given = ['wrong', password, '', password, 'other'];
        const answers = await Promise.all(given.map((one) => served.get('/v2/', { authorization: basic('me', one) })));
        expect(answers.map(({ status }) => status)).toEqual([401, 200, 401, 200, 401]);
      }),
    ));

  test('are cancelled when the registry is closed', () =>
    // This comparison would take days.
    withFile(`me:${bcryptHash.replace('$04$', '$31$')}\n`, async (htpasswd) => {
      const faults: unknown[] = [];
      const ended = await watchWorkers(async (compared) => {
        const registry = await startRegistry({ htpasswd, onRequest: ({ fault }) => faults.push(fault) });
        const login = send(registry.url, 'GET', '/v2/', { headers: { authorization: basic('me', password) } });
        const cut = expect(login).rejects.toBeDefined();
        while (compared.length === 0) await sleep(10);
        await registry.close();
        await cut;
      });
      expect([ended, faults]).toEqual([true, [undefined]]);
    }));
});

test('a registry with users refuses all others', () =>
  withFile(`me:${hashes[0]![2]}\n`, (htpasswd) =>
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
