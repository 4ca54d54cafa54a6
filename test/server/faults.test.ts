import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { createClient } from '../../src/index.ts';
import { hashPassword, type Fault } from '../../src/api/server.ts';
import type { ServerOptions } from '../../src/server/start-registry.ts';
import { blobOf, imageOf, withFolder } from '../store/samples.ts';
import { codesOf, jsonOf, putImage, withRegistry, type Answer, type Served } from './client.ts';

const image = imageOf('a');
const { manifest } = image;
const digest = manifest.descriptor.digest;
const big = blobOf(Buffer.alloc(1024 * 1024, 'x'));
const bigPath = `/v2/app/blobs/${big.descriptor.digest}`;

/** Serves a folder with the image `app:v1`. */
async function serve(options: ServerOptions, work: (served: Served) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const dir = join(folder, 'served');
    await withRegistry({ dir }, async (served) => {
      await putImage(served, 'app', image, 'v1');
      await served.putBlob('app', big);
    });
    await withRegistry({ dir, ...options }, work);
  });
}

const get = (path: string) => (served: Served) => served.get(path);
const tagPath = '/v2/app/manifests/v1';

describe('faults', () => {
  const cases: readonly (readonly [string, Fault, (served: Served) => Promise<Answer>, (answer: Answer) => void])[] = [
    [
      'a status',
      { status: 503, headers: { 'retry-after': '7' } },
      get('/v2/'),
      (answer) => expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '7' } }),
    ],
    ['a delay', { delayMs: 20 }, get(tagPath), ({ status }) => expect(status).toBe(200)],
    [
      'other bytes',
      { wrongDigest: true },
      get(tagPath),
      ({ headers, body }) => {
        expect(headers['docker-content-digest']).toBe(digest);
        expect([body.length, body.equals(manifest.bytes)]).toEqual([manifest.bytes.length, false]);
      },
    ],
    [
      'other bytes of a blob',
      { wrongDigest: true, match: { kind: 'blob' } },
      get(bigPath),
      ({ body }) =>
        expect([body.length, body[0], body[1]]).toEqual([big.bytes.length, 'y'.charCodeAt(0), 'x'.charCodeAt(0)]),
    ],
    [
      'another digest in a header',
      { wrongDigest: true, match: { method: 'PUT' } },
      (served) => served.putManifest('app', manifest, 'v2'),
      ({ status, headers }) =>
        expect([status, headers['docker-content-digest']]).toEqual([201, `sha256:${'0'.repeat(64)}`]),
    ],
    [
      'no mounts',
      { noMount: true },
      (served) => served.send('POST', `/v2/other/blobs/uploads/?mount=${big.descriptor.digest}&from=app`),
      ({ status }) => expect(status).toBe(202),
    ],
    [
      'no referrers API',
      { noReferrers: true },
      get(`/v2/app/referrers/${digest}`),
      ({ status }) => expect(status).toBe(404),
    ],
    [
      'no referrers API, after a push',
      { noReferrers: true },
      async (served) => {
        const referrer = imageOf('b', { subject: manifest.descriptor });
        return putImage(served, 'app', referrer);
      },
      ({ status, headers }) => expect([status, headers['oci-subject']]).toEqual([201, undefined]),
    ],
  ];

  test.each(cases)('%s', (_case, fault, work, check) =>
    serve({ faults: [fault] }, async (served) => check(await work(served))),
  );

  test.each<[string, Fault, string]>([
    ['in the middle of a blob', { cutAfter: 1000 }, bigPath],
    ['in the middle of a manifest', { cutAfter: 10 }, tagPath],
    ['in place of a response', { cutAfter: 0 }, tagPath],
  ])('a connection that breaks %s', (_case, fault, path) =>
    serve({ faults: [{ ...fault, times: 1 }] }, async (served) => {
      await expect(served.get(path)).rejects.toThrow(/aborted|hang up|ECONNRESET/);
      expect((await served.get(path)).status).toBe(200);
    }),
  );

  test('a lost response to a request that was processed', () =>
    serve({ faults: [{ cutAfter: 0, match: { method: 'PUT' } }] }, async (served) => {
      await expect(served.putManifest('app', manifest, 'v2')).rejects.toThrow(/hang up|ECONNRESET/);
      expect((await served.get('/v2/app/manifests/v2')).status).toBe(200);
    }));

  test('a response that is shorter than the cut is complete', () =>
    serve({ faults: [{ cutAfter: 10_000 }] }, async (served) => {
      expect((await served.get(tagPath)).body).toEqual(manifest.bytes);
    }));

  test.each<[string, Fault['match'], string]>([
    ['a kind', { kind: 'manifest' }, '.M..'],
    ['a method', { method: 'HEAD' }, '...H'],
    ['a path', { path: /tags/g }, '..T.'],
    ['a path and a kind', { path: /app/, kind: 'tags' }, '..T.'],
    ['everything', undefined, 'PMTH'],
  ])('match %s', (_case, match, expected) =>
    serve({ faults: [{ status: 418, match }] }, async (served) => {
      const requests = ['GET /v2/', `GET ${tagPath}`, 'GET /v2/app/tags/list', `HEAD ${bigPath}`];
      const found = [];
      for (const [at, each] of requests.entries()) {
        const [method, path] = each.split(' ') as [string, string];
        found.push((await served.send(method, path)).status === 418 ? 'PMTH'[at] : '.');
      }
      expect(found.join('')).toBe(expected);
    }),
  );

  test('skip and times select requests', () =>
    serve({ faults: [{ status: 500, skip: 1, times: 2 }] }, async (served) => {
      const statuses = [];
      for (let at = 0; at < 5; at += 1) statuses.push((await served.get('/v2/')).status);
      expect(statuses).toEqual([200, 500, 500, 200, 200]);
    }));
});

describe('tokenLogin', () => {
  const basic = (login: string) => ({ authorization: `Basic ${Buffer.from(login).toString('base64')}` });
  const tokenOf = (answer: Answer) => (jsonOf(answer) as { token: string }).token;
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  const scope = 'scope=repository:app:pull,push';

  async function withUsers(work: (htpasswd: string) => Promise<void>): Promise<void> {
    await withFolder(async (folder) => {
      const path = join(folder, 'users');
      await writeFile(path, `me:${await hashPassword('me', 'secret')}\n`);
      await work(path);
    });
  }

  test('challenges requests, and issues tokens', () =>
    serve({ tokenLogin: true }, async (served) => {
      const refused = await served.get(tagPath);
      const { host } = served.registry;
      expect([refused.status, refused.headers['www-authenticate']]).toEqual([
        401,
        `Bearer realm="http://${host}/token",service="${host}",scope="repository:app:pull"`,
      ]);
      const token = tokenOf(await served.get('/token?scope=repository:app:pull'));
      expect((await served.get(tagPath, bearer(token))).status).toBe(200);
      const push = await served.putManifest('app', manifest, 'v2', bearer(token));
      expect([push.status, push.headers['www-authenticate']]).toEqual([
        401,
        `Bearer realm="http://${host}/token",service="${host}",scope="repository:app:pull,push",error="insufficient_scope"`,
      ]);
      expect((await served.get('/v2/other/tags/list', bearer(token))).status).toBe(401);
      const encoded = await served.send('PUT', '/v2/app/manife%73ts/v2', {
        body: manifest.bytes,
        headers: bearer(token),
      });
      expect(encoded.status).toBe(401);
      expect(push.body.toString()).toContain('the token does not permit this request');
      const invalid = await served.get(tagPath, bearer('x'));
      expect(invalid.headers['www-authenticate']).toContain('error="invalid_token"');
      expect(invalid.body.toString()).toContain('invalid or expired token');
    }));

  test('checks the users of htpasswd', () =>
    withUsers((htpasswd) =>
      serve({ tokenLogin: { anonymousPull: true }, htpasswd }, async (served) => {
        expect((await served.get(`/token?${scope}`, basic('me:wrong'))).status).toBe(401);
        expect((await served.get(tagPath, basic('me:secret'))).status).toBe(401);
        const anonymous = bearer(tokenOf(await served.get(`/token?${scope}`)));
        expect((await served.get(tagPath, anonymous)).status).toBe(200);
        expect((await served.putManifest('app', manifest, 'v2', anonymous)).status).toBe(401);
        const mine = bearer(tokenOf(await served.get(`/token?${scope}`, basic('me:secret'))));
        expect((await served.putManifest('app', manifest, 'v2', mine)).status).toBe(201);
        const form = `grant_type=password&username=me&password=secret&${scope}`;
        const issued = jsonOf(await served.send('POST', '/token', { body: form })) as { access_token: string };
        expect((await served.get(tagPath, bearer(issued.access_token))).status).toBe(200);
        expect((await served.send('POST', '/token', { body: `${form}&x=${'x'.repeat(20_000)}` })).status).toBe(413);
      }),
    ));

  test('anonymous clients get no token of a registry with users', () =>
    withUsers((htpasswd) =>
      serve({ tokenLogin: true, htpasswd }, async (served) => {
        expect((await served.get(`/token?${scope}`)).status).toBe(401);
      }),
    ));

  test('is used by the client, also through a cache', () =>
    withUsers((htpasswd) =>
      serve({ tokenLogin: true, htpasswd }, async ({ registry, url }) => {
        const credentials = () => Promise.resolve({ type: 'basic', username: 'me', password: 'secret' } as const);
        const client = createClient({ credentials });
        try {
          await client.copy(`${registry.host}/app:v1`, `${registry.host}/other/app:v2`);
          expect((await client.resolve(`${registry.host}/other/app:v2`)).digest).toBe(digest);
        } finally {
          await client.close();
        }
        await withRegistry({ proxy: { upstreams: [`a.test=${url}`], client: { credentials } } }, async (cache) => {
          expect((await cache.get('/v2/a.test/other/app/manifests/v2')).body).toEqual(manifest.bytes);
        });
        await withRegistry({ proxy: { upstreams: [`a.test=${url}`] } }, async (cache) => {
          const answer = await cache.get('/v2/a.test/other/app/manifests/v2');
          expect([answer.status, ...codesOf(answer)]).toEqual([404, 'NAME_UNKNOWN']);
        });
      }),
    ));
});
