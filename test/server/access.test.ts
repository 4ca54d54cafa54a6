import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { allows, parseRights } from '../../src/server/auth/rights.ts';
import { Tokens, TOKEN_SECONDS } from '../../src/server/auth/tokens.ts';
import { collectFolder } from '../../src/server/garbage/collect-folder.ts';
import { startRegistry, type ServedRequest, type ServerOptions } from '../../src/server/start-registry.ts';
import { blobOf, imageOf, withFolder } from '../store/samples.ts';
import { Authority, hasOpenssl } from '../support/certificates.ts';
import { codesOf, jsonOf, putImage, send, stores, withRegistry, type Answer, type Served } from './client.ts';

/** Who may use the registry, what it lists, and what it reports about itself. */

const basic = (user: string, password = 'secret') => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

const hash = `{SHA256}${createHash('sha256').update('secret').digest('base64')}`;
const image = imageOf('a');
const { digest } = image.manifest.descriptor;

const users = [
  `root:${hash}`,
  `all-reader:${hash}:read`,
  `reader:${hash}:read:team/app`,
  `writer:${hash}:read:base,write:team`,
].join('\n');

/** A registry with users and the repositories `base`, `team/app` and `teams`. */
function withUsers(options: ServerOptions, work: (served: Served, folder: string) => Promise<void>): Promise<void> {
  return withFolder(async (folder) => {
    const [dir, htpasswd] = [join(folder, 'served'), join(folder, 'users')];
    await withRegistry({ dir }, async (open) => {
      for (const name of ['base', 'team/app', 'teams']) await putImage(open, name, image, 'v1');
    });
    await writeFile(htpasswd, users);
    await withRegistry({ dir, htpasswd, ...options }, (served) => work(served, folder));
  });
}

const catalogOf = (answer: Answer) => (jsonOf(answer) as { repositories: string[] }).repositories;

describe('rights', () => {
  test.each([
    ['write', 'write', 'any/name', true],
    ['read', 'read', 'any/name', true],
    ['read', 'write', 'any/name', false],
    ['read:team', 'read', 'team', true],
    ['read:team', 'read', 'team/app', true],
    ['read:team', 'read', 'teams', false],
    ['read:team/app', 'read', 'team', false],
    ['write:team', 'read', 'team/app', true],
    ['write:team', 'read', 'other', false],
    ['read,write:team', 'read', 'other', true],
    ['read,write:team', 'write', 'team/app', true],
    ['read,write:team', 'write', 'other', false],
  ] as const)('%s to %s %s: %s', (text, action, name, expected) => {
    expect(allows(parseRights(text)!, action, name)).toBe(expected);
  });

  test.each(['', 'admin', 'READ', 'read:', 'read:Team', 'read:team/', 'read:../etc', 'read,', 'read write'])(
    'of a user in the invalid form %j prevent the start',
    (rights) =>
      withFolder(async (folder) => {
        const htpasswd = join(folder, 'users');
        await writeFile(htpasswd, `me:${hash}:${rights}\n`);
        await expect(startRegistry({ htpasswd })).rejects.toMatchObject({
          code: 'ERR_MLIST_USAGE',
          message: `${htpasswd}:1 cannot be used: the rights of user "me" are invalid: use read or write, optionally with :PREFIX`,
        });
      }),
  );

  test.each([
    ['root', 'GET', '/v2/teams/manifests/v1', 200],
    ['root', 'DELETE', '/v2/teams/manifests/v1', 202],
    ['all-reader', 'GET', '/v2/teams/manifests/v1', 200],
    ['all-reader', 'PUT', '/v2/teams/manifests/v2', 403],
    ['all-reader', 'DELETE', '/v2/teams/_mlist/repository', 403],
    ['reader', 'GET', '/v2/', 200],
    ['reader', 'GET', '/v2/team/app/manifests/v1', 200],
    ['reader', 'HEAD', `/v2/team/app/blobs/${digest}`, 200],
    ['reader', 'GET', '/v2/team/app/tags/list', 200],
    ['reader', 'GET', `/v2/team/app/referrers/${digest}`, 200],
    ['reader', 'POST', '/v2/team/app/blobs/uploads/', 403],
    ['reader', 'GET', '/v2/team/app/blobs/uploads/some-upload', 403],
    ['reader', 'GET', '/v2/teams/manifests/v1', 403],
    ['reader', 'GET', '/v2/none/manifests/v1', 403],
    ['reader', 'GET', `/v2/base/referrers/${digest}`, 403],
    ['reader', 'HEAD', `/v2/base/blobs/${digest}`, 403],
    ['writer', 'GET', '/v2/base/manifests/v1', 200],
    ['writer', 'POST', '/v2/base/blobs/uploads/', 403],
    ['writer', 'POST', '/v2/team/new/blobs/uploads/', 202],
    ['writer', 'POST', '/v2/teams/blobs/uploads/', 403],
    ['writer', 'DELETE', '/v2/team/app/manifests/v1', 202],
  ])('of %s for %s %s: %i', (user, method, path, status) =>
    withUsers({}, async (served) => {
      const answer = await served.send(method, path, { headers: { authorization: basic(user) } });
      expect(answer.status).toBe(status);
      if (status === 403 && method !== 'HEAD') expect(codesOf(answer)).toEqual(['DENIED']);
      expect(answer.headers['www-authenticate']).toBeUndefined();
    }),
  );

  test('to read are needed for the source of a mount', () =>
    withUsers({}, async (served) => {
      const mount = async (user: string, from: string, name = 'team/new') => {
        const query = new URLSearchParams({ mount: image.config.descriptor.digest, ...(from === '' ? {} : { from }) });
        const headers = { authorization: basic(user) };
        return (await served.send('POST', `/v2/${name}/blobs/uploads/?${query.toString()}`, { headers })).status;
      };
      expect(await mount('writer', 'base')).toBe(201);
      expect(await mount('writer', 'teams')).toBe(202);
      expect(await mount('writer', '')).toBe(201);
      await served.send('DELETE', '/v2/base/_mlist/repository', { headers: { authorization: basic('root') } });
      await served.send('DELETE', '/v2/team/app/_mlist/repository', { headers: { authorization: basic('root') } });
      await served.send('DELETE', '/v2/team/new/_mlist/repository', { headers: { authorization: basic('root') } });
      expect(await mount('writer', '')).toBe(202);
      expect(await mount('root', '', 'other')).toBe(201);
    }));
});

describe('anonymous pulls', () => {
  const withPulls = (work: (served: Served) => Promise<void>) => withUsers({ anonymousPull: true }, work);

  test('need users', async () => {
    await expect(startRegistry({ anonymousPull: true })).rejects.toMatchObject({ code: 'ERR_MLIST_USAGE' });
  });

  test('read everything, and write nothing', () =>
    withPulls(async (served) => {
      // Some clients without a login send an empty user name and password.
      for (const headers of [{}, { authorization: basic('', '') }]) {
        expect((await served.get('/v2/teams/manifests/v1', headers)).status).toBe(200);
        expect(catalogOf(await served.get('/v2/_catalog', headers))).toEqual(['base', 'team/app', 'teams']);
        const answer = await served.send('POST', '/v2/teams/blobs/uploads/', { headers });
        expect([answer.status, codesOf(answer)]).toEqual([401, ['UNAUTHORIZED']]);
        expect(answer.headers['www-authenticate']).toBe('Basic realm="mlist", charset="UTF-8"');
      }
      expect((await served.get('/v2/teams/manifests/v1', { authorization: basic('root', 'wrong') })).status).toBe(401);
    }));

  test('get a token, for which /v2/ asks', () =>
    withPulls(async (served) => {
      const ping = await served.get('/v2/', { host: 'localhost:5000' });
      const challenge = (scheme: string) => `Bearer realm="${scheme}://localhost:5000/token",service="localhost:5000"`;
      expect([ping.status, ping.headers['www-authenticate']]).toEqual([401, challenge('http')]);
      const proxied = await served.get('/v2/', { host: 'localhost:5000', 'x-forwarded-proto': 'https' });
      expect(proxied.headers['www-authenticate']).toBe(challenge('https'));
      const tokenOf = async (headers: { authorization?: string }) => {
        const answer = await served.get('/token?service=localhost&scope=repository:teams:pull', headers);
        expect([answer.status, answer.headers['cache-control']]).toEqual([200, 'no-store']);
        return `Bearer ${(jsonOf(answer) as { token: string }).token}`;
      };
      const [anonymous, root] = [await tokenOf({}), await tokenOf({ authorization: basic('root') })];
      for (const authorization of [anonymous, root, basic('root')]) {
        expect((await served.get('/v2/', { authorization })).status).toBe(200);
        expect((await served.get('/v2/teams/manifests/v1', { authorization })).status).toBe(200);
      }
      const upload = (authorization: string) =>
        served.send('POST', '/v2/teams/blobs/uploads/', { headers: { authorization } });
      const refused = await upload(anonymous);
      expect(refused.status).toBe(401);
      expect(refused.headers['www-authenticate']).toMatch(/^Bearer .*,scope="repository:teams:pull,push"$/);
      expect((await upload(root)).status).toBe(202);
      expect((await upload(await tokenOf({ authorization: basic('reader') }))).status).toBe(403);
      for (const authorization of [
        'Bearer none',
        `${anonymous}x`,
        root.replace('.', '.A'),
        `${root}.x`,
        'Bearer a.b.c',
      ]) {
        expect((await served.get('/v2/', { authorization })).status).toBe(401);
      }
      // A token does not get another one, so that a stolen one expires.
      for (const authorization of [basic('root', 'wrong'), anonymous, root]) {
        const { status, headers } = await served.get('/token', { authorization });
        expect([status, headers['www-authenticate']]).toEqual([401, expect.stringMatching(/^Basic /)]);
      }
    }));

  test('get tokens that other registries refuse, even with the same users', () =>
    withUsers({ anonymousPull: true }, async (served, folder) => {
      const { token } = jsonOf(await served.get('/token', { authorization: basic('root') })) as { token: string };
      await withRegistry({ htpasswd: join(folder, 'users'), anonymousPull: true }, async (other) => {
        const authorization = `Bearer ${token}`;
        expect((await served.get('/v2/', { authorization })).status).toBe(200);
        expect((await other.get('/v2/', { authorization })).status).toBe(401);
      });
    }));

  test('are the only reason for tokens', () =>
    withUsers({}, async (served) => {
      expect((await served.get('/token', { authorization: basic('root') })).status).toBe(404);
      const token = new Tokens().issue('root');
      expect((await served.get('/v2/', { authorization: `Bearer ${token}` })).status).toBe(401);
    }));

  test('have tokens that expire', () => {
    const tokens = new Tokens();
    const now = Date.now;
    const token = tokens.issue('me');
    expect(tokens.find(token)).toEqual({ user: 'me' });
    try {
      Date.now = () => now() + TOKEN_SECONDS * 1000;
      expect(tokens.find(token)).toBeUndefined();
    } finally {
      Date.now = now;
    }
  });
});

describe.each(stores)('the catalog of %s', (_, serve) => {
  const names = ['a', 'a/b', 'a-b', 'b', 'team/app'];
  const fill = async (served: Served) => {
    for (const name of [...names].reverse()) await served.putBlob(name, blobOf('x'));
  };

  test('lists repositories in order, also without tags', () =>
    serve(async (served) => {
      expect(jsonOf(await served.get('/v2/_catalog'))).toEqual({ repositories: [] });
      await fill(served);
      const answer = await served.get('/v2/_catalog');
      expect([jsonOf(answer), answer.headers['link']]).toEqual([{ repositories: names }, undefined]);
    }));

  test('has pages', () =>
    serve(async (served) => {
      await fill(served);
      const pages: string[][] = [];
      let path: string | undefined = '/v2/_catalog?n=2';
      while (path !== undefined) {
        const answer: Answer = await served.get(path);
        pages.push(catalogOf(answer));
        path = /^<(.*)>; rel="next"$/.exec(answer.headers['link']?.toString() ?? '')?.[1];
      }
      // As in docker-registry, a slash is before all other characters.
      expect(pages).toEqual([['a', 'a/b'], ['a-b', 'b'], ['team/app']]);
      expect(catalogOf(await served.get('/v2/_catalog?last=a/c&n=1000'))).toEqual(['a-b', 'b', 'team/app']);
      expect(catalogOf(await served.get('/v2/_catalog?n=99999999999999999999&last=a.'))).toEqual(['b', 'team/app']);
      expect(catalogOf(await served.get('/v2/_catalog?n=0'))).toEqual([]);
      for (const n of ['-1', 'x', '', '1e3']) {
        expect(codesOf(await served.get(`/v2/_catalog?n=${n}`))).toEqual(['PAGINATION_NUMBER_INVALID']);
      }
    }));

  test('does not list a deleted repository, whose uploads are gone as well', () =>
    serve(async (served) => {
      await putImage(served, 'a', image, 'v1');
      await putImage(served, 'a/b', image, 'v1');
      const { location = '' } = (await served.send('POST', '/v2/a/blobs/uploads/')).headers;
      expect((await served.send('DELETE', '/v2/a/_mlist/repository')).status).toBe(202);
      expect(catalogOf(await served.get('/v2/_catalog'))).toEqual(['a/b']);
      expect((await served.get('/v2/a/manifests/v1')).status).toBe(404);
      expect((await served.send('PATCH', location, { body: 'x' })).status).toBe(404);
      const again = await served.send('DELETE', '/v2/a/_mlist/repository');
      expect([again.status, codesOf(again)]).toEqual([404, ['NAME_UNKNOWN']]);
      if (served.dir !== undefined) expect(await readdir(served.dir)).toEqual(['a%2Fb']);
      expect((await putImage(served, 'a', image, 'v1')).status).toBe(201);
      expect((await served.get('/v2/a/b/manifests/v1')).status).toBe(200);
    }));

  test('contains a sparse list only by choice', () =>
    serve(async (served) => {
      expect((await served.putManifest('sparse', image.manifest, 'v1')).status).toBe(400);
      await withRegistry({ dir: served.dir, allowSparse: true }, async (sparse) => {
        await sparse.putBlob('sparse', image.config);
        expect((await sparse.putManifest('sparse', image.manifest, 'v1')).status).toBe(201);
        expect((await sparse.get('/v2/sparse/manifests/v1')).body).toEqual(image.manifest.bytes);
      });
    }));
});

describe('the catalog', () => {
  test.each([
    ['root', ['base', 'team/app', 'teams']],
    ['reader', ['team/app']],
    ['writer', ['base', 'team/app']],
  ])('of %s has what the user may read', (user, expected) =>
    withUsers({}, async (served) => {
      expect(catalogOf(await served.get('/v2/_catalog', { authorization: basic(user) }))).toEqual(expected);
      expect((await served.get('/v2/_catalog')).status).toBe(401);
    }),
  );

  test('skips folders that are no layouts, and damaged ones', () =>
    withUsers({}, async (served, folder) => {
      const dir = join(folder, 'served');
      await mkdir(join(dir, 'folder'));
      await mkdir(join(dir, 'damaged'));
      await writeFile(join(dir, 'damaged', 'oci-layout'), '{');
      const page = await served.get('/v2/_catalog?n=3', { authorization: basic('root') });
      expect([catalogOf(page), page.headers['link']]).toEqual([['base', 'team/app', 'teams'], undefined]);
    }));

  test('has names that are too long for a folder, before they are used', () =>
    withFolder(async (dir) => {
      const [first, second] = ['a', 'b'].map((end) => `${'x/'.repeat(110)}${end}`) as [string, string];
      await withRegistry({ dir }, async (served) => {
        for (const name of [first, second, 'x']) await putImage(served, name, imageOf('a'), 'v1');
        await served.putBlob(second, blobOf('nothing refers to this'));
      });
      const { removed } = await collectFolder(dir, { grace: 0 });
      expect(removed.map(({ name }) => name)).toEqual([second]);
      // A folder that was copied under another shortened name is not listed twice.
      const copy = join(dir, `${(await readdir(dir))[1]!.slice(0, -64)}${'0'.repeat(64)}`);
      await cp(join(dir, (await readdir(dir))[1]!), copy, { recursive: true });
      await withRegistry({ dir }, async (served) => {
        expect(catalogOf(await served.get('/v2/_catalog'))).toEqual(['x', first, second]);
        await served.send('DELETE', `/v2/${first}/_mlist/repository`);
        expect(catalogOf(await served.get('/v2/_catalog'))).toEqual(['x', second]);
      });
    }));

  test('does not have the rest of a deletion that was interrupted', () =>
    withFolder(async (dir) => {
      await mkdir(join(dir, '.removed-1', 'blobs'), { recursive: true });
      await withRegistry({ dir }, async (served) => {
        expect(catalogOf(await served.get('/v2/_catalog'))).toEqual([]);
      });
      expect(await readdir(dir)).toEqual([]);
    }));
});

describe('requests of web pages', () => {
  const path = `/v2/repo/blobs/uploads/?digest=${blobOf('x').descriptor.digest}`;

  test.each([
    ['of another site', { origin: 'https://evil.example' }, 403],
    ['of another port', { origin: 'http://localhost:3000' }, 403],
    ['of another scheme with the same host', { origin: 'https://localhost:5000' }, 201],
    ['without an origin of their own', { origin: 'null' }, 403],
    ['of an extension', { origin: 'chrome-extension://abc' }, 403],
    ['across sites', { 'sec-fetch-site': 'cross-site' }, 403],
    ['of another port, by Sec-Fetch-Site', { 'sec-fetch-site': 'same-site' }, 403],
    ['of the registry itself', { origin: 'http://localhost:5000', 'sec-fetch-site': 'same-origin' }, 201],
    ['typed by the user', { 'sec-fetch-site': 'none' }, 201],
    ['of no browser', {}, 201],
  ])('%s', (_, headers, status) =>
    withRegistry({}, async (served) => {
      const answer = await served.send('POST', path, { headers: { host: 'localhost:5000', ...headers }, body: 'x' });
      expect(answer.status).toBe(status);
      if (status === 403) {
        expect(codesOf(answer)).toEqual(['DENIED']);
        expect(catalogOf(await served.get('/v2/_catalog'))).toEqual([]);
      }
      // Reads have no side effects, and the browser does not show the response to the page.
      const read = await served.get('/v2/_catalog', headers);
      expect([read.status, read.headers['access-control-allow-origin']]).toEqual([200, undefined]);
    }),
  );

  test.each(['PUT', 'DELETE', 'PATCH', 'BREW'])('of another site cannot send %s', (method) =>
    withRegistry({}, async (served) => {
      const headers = { origin: 'https://evil.example' };
      expect((await served.send(method, '/v2/repo/manifests/v1', { headers })).status).toBe(
        method === 'BREW' ? 400 : 403,
      );
    }),
  );
});

/** Sends bytes as they are, and resolves with what the server has sent when it closes the connection. */
function exchangeRaw(url: string, text: string, how: 'write' | 'end' = 'write'): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    let received = '';
    const socket = connect(Number(port), hostname, () => socket[how](text));
    socket.on('data', (chunk) => (received += chunk.toString('latin1')));
    socket.on('close', () => resolve(received));
    socket.on('error', (error: NodeJS.ErrnoException) => (error.code === 'ECONNRESET' ? undefined : reject(error)));
  });
}

describe('hostile requests', () => {
  const head = 'host: localhost\r\nconnection: close\r\n';

  test.each([
    ['a path out of the folder', `GET /v2/../../etc/passwd HTTP/1.1\r\n${head}\r\n`, 404],
    ['a repository out of the folder', `GET /v2/..%2f..%2fetc/manifests/passwd HTTP/1.1\r\n${head}\r\n`, 400],
    ['a catalog page out of the folder', `GET /v2/_catalog?last=../../etc HTTP/1.1\r\n${head}\r\n`, 200],
    ['a deletion out of the folder', `DELETE /v2/../_mlist/repository HTTP/1.1\r\n${head}\r\n`, 400],
    ['too long headers', `GET /v2/ HTTP/1.1\r\n${head}x: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['many headers', `GET /v2/ HTTP/1.1\r\n${head}${'name: value\r\n'.repeat(5000)}\r\n`, 431],
    ['a too long path', `GET /v2/${'x'.repeat(20_000)} HTTP/1.1\r\n${head}\r\n`, 431],
    ['two lengths', `PUT /v2/a/manifests/b HTTP/1.1\r\n${head}content-length: 1\r\ncontent-length: 2\r\n\r\nx`, 400],
    [
      'a length and chunks',
      `PUT /v2/a/manifests/b HTTP/1.1\r\n${head}content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
    ],
    ['a negative length', `PUT /v2/a/manifests/b HTTP/1.1\r\n${head}content-length: -1\r\n\r\n`, 400],
    ['no host', 'GET /v2/ HTTP/1.1\r\nconnection: close\r\n\r\n', 400],
    ['an unknown host', 'GET /v2/ HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n', 421],
    ['two hosts', `GET /v2/ HTTP/1.1\r\n${head}host: evil.example\r\n\r\n`, 400],
    ['a proxy request', `GET http://evil.example/v2/ HTTP/1.1\r\n${head}\r\n`, 400],
    ['a tunnel', `CONNECT evil.example:443 HTTP/1.1\r\n${head}\r\n`, undefined],
    ['no HTTP', 'hello\r\n\r\n', 400],
  ])('with %s', (_, text, status) =>
    withFolder((folder) =>
      withRegistry({ dir: join(folder, 'served') }, async (served) => {
        const answer = /^HTTP\/1\.1 (\d+)/.exec(await exchangeRaw(served.url, text))?.[1];
        expect(answer).toBe(status === undefined ? undefined : String(status));
        expect(await readdir(folder)).toEqual(['served']);
        expect((await served.get('/v2/')).status).toBe(200);
      }),
    ),
  );

  test('whose body ends early leave nothing behind', () =>
    withFolder(async (dir) => {
      const requests: ServedRequest[] = [];
      await withRegistry({ dir, onRequest: (event) => void requests.push(event) }, async (served) => {
        const target = `/v2/a/blobs/uploads/?digest=${blobOf('xy').descriptor.digest}`;
        const { hostname, port } = new URL(served.url);
        const socket = connect(Number(port), hostname);
        socket.end(`POST ${target} HTTP/1.1\r\n${head}content-length: 2\r\n\r\nx`);
        await new Promise((resolve) => socket.once('close', resolve).resume());
        expect((await served.get(`/v2/a/blobs/${blobOf('xy').descriptor.digest}`)).status).toBe(404);
      });
      expect(requests.find(({ method }) => method === 'POST')?.status).not.toBe(201);
    }));
});

(hasOpenssl() ? describe : describe.skip)('plain HTTP on the port of HTTPS', () => {
  const withTls = (work: (served: Served, ca: string) => Promise<void>) =>
    withFolder(async (folder) => {
      const authority = new Authority(folder);
      await withRegistry({ tls: authority.sign('server') }, (served) => work(served, authority.certificate.cert));
    });

  test('is refused with a reason', () =>
    withTls(async (served, ca) => {
      const plain = served.url.replace('https', 'http');
      const answer = await send(plain, 'PUT', '/v2/a/manifests/b', { body: 'x'.repeat(100_000) });
      expect([answer.status, codesOf(answer)]).toEqual([400, ['UNSUPPORTED']]);
      expect(answer.body.toString()).toContain('this port serves HTTPS only: use https:// instead of http://');
      expect((await send(served.url, 'GET', '/v2/', { ca })).status).toBe(200);
    }));

  test('does not affect other connections, whichever bytes they send', () =>
    withTls(async (served, ca) => {
      for (const text of ['\u0000', 'hello', '\u0016\u0003\u0001 no handshake']) {
        expect(await exchangeRaw(served.url, text.padEnd(200, '\u0000'), 'end')).not.toContain('200 OK');
      }
      expect((await send(served.url, 'GET', '/v2/', { ca })).status).toBe(200);
    }));

  test('does not keep a registry from closing that has a silent connection', async () => {
    let closed: Promise<unknown> = Promise.resolve();
    await withTls(async (served) => {
      const { hostname, port } = new URL(served.url);
      const socket = connect(Number(port), hostname);
      socket.on('error', () => undefined);
      closed = new Promise((resolve) => socket.once('close', resolve));
      await new Promise((resolve) => socket.once('connect', resolve));
      await send(served.url, 'GET', '/v2/', {}).catch(() => undefined);
    });
    await closed;
  });
});

describe('what the registry reports', () => {
  test('about requests: client, user and bytes', async () => {
    const events: ServedRequest[] = [];
    await withUsers({ onRequest: (event) => void events.push(event) }, async (served) => {
      const authorization = basic('root');
      const { body } = await served.get('/v2/teams/manifests/v1', { authorization });
      await served.send('HEAD', '/v2/teams/manifests/v1', { headers: { authorization } });
      const { location = '' } = (await served.send('POST', '/v2/a/blobs/uploads/', { headers: { authorization } }))
        .headers;
      await served.send('PATCH', location, { headers: { authorization }, body: ['12', '345'] });
      await served.get('/v2/teams/manifests/v1', { authorization: basic('root', 'wrong') });
      expect(events).toMatchObject([
        { method: 'GET', client: '127.0.0.1', user: 'root', bytes: body.length, received: 0 },
        { method: 'HEAD', user: 'root', bytes: 0 },
        { method: 'POST', user: 'root', status: 202, bytes: 0 },
        { method: 'PATCH', user: 'root', received: 5 },
        { method: 'GET', status: 401 },
      ]);
      expect(events.at(-1)).not.toHaveProperty('user');
    });
  });

  test('about its health, without a login', () =>
    withUsers({}, async (served) => {
      const answer = await served.get('/healthz');
      expect([answer.status, answer.body.toString()]).toEqual([200, 'ok\n']);
      expect((await served.send('POST', '/healthz')).status).toBe(405);
      expect((await served.get('/healthz', { host: 'evil.example' })).status).toBe(421);
    }));

  test('as metrics, to those who may read', () =>
    withUsers({}, async (served) => {
      const authorization = basic('reader');
      expect((await served.get('/metrics')).status).toBe(401);
      await served.get('/v2/team/app/manifests/v1', { authorization });
      await served.send('BREW', '/v2/', {}).catch(() => undefined);
      await served.get('/none"\\', { authorization });
      await served.send('POST', '/v2/team/app/blobs/uploads/', { headers: { authorization: basic('root') } });
      const { body, headers } = await served.get('/metrics', { authorization });
      expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
      const text = body.toString();
      for (const line of text.trimEnd().split('\n')) {
        expect(line).toMatch(
          /^(?:# (?:HELP|TYPE) [a-z_]+ .+|[a-z_]+(?:\{[a-z]+="[\w.+-]*"(?:,[a-z]+="[\w.+-]*")*\})? \d[\d.e+-]*)$/,
        );
      }
      for (const line of [
        'mlist_http_requests_total{method="GET",route="manifest",code="2xx"} 1',
        'mlist_http_requests_total{method="GET",route="other",code="4xx"} 2',
        'mlist_http_requests_total{method="POST",route="upload",code="2xx"} 1',
        'mlist_http_request_duration_seconds_bucket{route="manifest",le="+Inf"} 1',
        'mlist_http_request_duration_seconds_count{route="upload"} 1',
        'mlist_http_requests_running 1',
        'mlist_connections_open 1',
        'mlist_connections_closed_total 0',
        'mlist_uploads_open 1',
      ])
        expect(text.split('\n')).toContain(line);
      expect(text).toMatch(/^process_resident_memory_bytes \d{7,}$/m);
    }));
});

describe('a registry that stops', () => {
  /** A body that ends when `finish` is called. */
  async function startPut(served: Served): Promise<{ finish: () => void; answer: Promise<string> }> {
    const { hostname, port } = new URL(served.url);
    const socket = connect(Number(port), hostname);
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString())).on('error', () => undefined);
    const answer = new Promise<string>((resolve) => socket.once('close', () => resolve(text)));
    socket.write('PUT /v2/repo/manifests/v1 HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{');
    // The request is in progress when it is counted.
    while (!(await served.get('/metrics')).body.toString().includes('requests_running 2')) await Promise.resolve();
    return { finish: () => void socket.write('}GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n'), answer };
  }

  test('completes running requests, refuses new connections, and says so', () =>
    withRegistry({ drain: 60_000 }, async (served) => {
      const { finish, answer } = await startPut(served);
      const closed = served.registry.close();
      await expect(served.get('/v2/')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      finish();
      await closed;
      expect([...(await answer).matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)).toEqual(['400', '503']);
    }));

  test('lets an upload complete whose next request has not arrived yet', () =>
    withRegistry({ drain: 60_000 }, async (served) => {
      const { hostname, port } = new URL(served.url);
      const socket = connect(Number(port), hostname);
      let text = '';
      const next = (pattern: RegExp) =>
        new Promise<string>((resolve) => {
          socket.on('data', (chunk) => {
            text += chunk.toString();
            const match = pattern.exec(text);
            if (match !== null) resolve(match[1] ?? '');
          });
        });
      const ended = new Promise((resolve) => socket.once('close', resolve));
      const blob = blobOf('x');
      // Keeps the connection open until the registry is closing.
      const started = next(/location: (\S+)\r\n[^]*\r\n\r\n/i);
      socket.write('POST /v2/repo/blobs/uploads/ HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n');
      const location = await started;
      socket.write(`PATCH ${location} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\n\r\n`);
      while (!(await served.get('/metrics')).body.toString().includes('requests_running 2')) await Promise.resolve();
      const closed = served.registry.close();
      const patched = next(/(202) Accepted[^]*(202) Accepted/);
      socket.write('x');
      await patched;
      const created = next(/(201) Created/);
      const target = `${location}?digest=${blob.descriptor.digest}`;
      socket.write(`PUT ${target} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n`);
      expect(await created).toBe('201');
      await closed;
      await ended;
    }));

  test('does not wait without `drain`, nor longer than that', async () => {
    for (const drain of [0, 100]) {
      await withRegistry({ drain }, async (served) => {
        const { answer } = await startPut(served);
        await served.registry.close();
        expect(await answer).toBe('');
      });
    }
  });
});
