import { writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry, type ServerOptions } from '../../src/server/start-registry.ts';
import { MediaType } from '../../src/oci/media-type.ts';
import { parseUpstream, targetAt } from '../../src/server/proxy/proxy-upstream.ts';
import { blobOf, contentOf, imageOf, indexOf, withFolder } from '../store/samples.ts';
import { codesOf, jsonOf, putImage, send, withRegistry, type Served } from './client.ts';

/** Registries, closed after each test. */
const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

interface Upstream {
  readonly registry: RunningRegistry;
  /** `METHOD PATH` of every request. */
  readonly requests: string[];
  /** Answers the next requests with this pattern itself. */
  intercept: ((request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>) | undefined;
  readonly served: Served;
}

/** An upstream, whose requests are recorded. */
async function startUpstream(options: ServerOptions = {}): Promise<Upstream> {
  const requests: string[] = [];
  const upstream: { intercept: Upstream['intercept'] } = { intercept: undefined };
  const registry = await startRegistry({
    ...options,
    intercept: (request, response) => {
      if (request.headers['user-agent']?.startsWith('mlist/') === true)
        requests.push(`${request.method} ${request.url}`);
      return upstream.intercept?.(request, response) ?? false;
    },
  });
  open.push(registry);
  return Object.assign(upstream, { registry, requests, served: servedBy(registry) });
}

function servedBy({ url }: RunningRegistry): Served {
  return {
    send: (method: string, path: string, sending = {}) => send(url, method, path, sending),
    get: (path: string, headers = {}) => send(url, 'GET', path, { headers }),
    putBlob: (name: string, { descriptor, bytes }: ReturnType<typeof blobOf>) =>
      send(url, 'POST', `/v2/${name}/blobs/uploads/?digest=${descriptor.digest}`, { body: bytes }),
    putManifest: (name: string, { descriptor, bytes }: ReturnType<typeof blobOf>, reference = descriptor.digest) =>
      send(url, 'PUT', `/v2/${name}/manifests/${reference}`, {
        headers: { 'content-type': descriptor.mediaType },
        body: bytes,
      }),
  } as Served;
}

const image = imageOf('a');
const big = blobOf(Buffer.alloc(3 * 1024 * 1024, Buffer.from(Array.from({ length: 251 }, (_, at) => at))));
const manifest = image.manifest.descriptor;
const layer = image.layers[0]!;
const blobPath = (digest: string, name = 'docker.io/library/app') => `/v2/${name}/blobs/${digest}`;
const tagPath = '/v2/docker.io/library/app/manifests/v1';

/** An upstream with the image `library/app:v1`, and a proxy for it as docker.io. */
async function withProxy(
  work: (proxy: Served, upstream: Upstream, warnings: string[]) => Promise<void>,
  { proxy: proxyOptions, ...options }: Omit<ServerOptions, 'proxy'> & { proxy?: object } = {},
): Promise<void> {
  const upstream = await startUpstream();
  await putImage(upstream.served, 'library/app', image, 'v1');
  await upstream.served.putBlob('library/app', big);
  const warnings: string[] = [];
  const proxy = {
    upstreams: [`docker.io=${upstream.registry.url}`],
    onWarning: (message: string) => warnings.push(message),
    client: { retries: 0 },
    ...proxyOptions,
  };
  await withRegistry({ ...options, proxy }, (served) => work(served, upstream, warnings));
}

describe('upstreams', () => {
  test.each([
    ['docker.io', 'nginx', 'docker.io/library/nginx', 'docker.io', 'library/nginx'],
    ['docker.io', 'team/app', 'docker.io/team/app', 'docker.io', 'team/app'],
    ['ghcr.io', 'app', 'ghcr.io/app', 'ghcr.io', 'app'],
    ['localhost:5000', 'app', 'localhost_5000/app', 'localhost:5000', 'app'],
    ['docker.io=https://mirror.test', 'nginx', 'docker.io/library/nginx', 'mirror.test', 'library/nginx'],
    ['docker.io=mirror.test', 'nginx', 'docker.io/library/nginx', 'mirror.test', 'library/nginx'],
    ['docker.io=https://harbor.test/hub', 'a/b', 'docker.io/a/b', 'harbor.test', 'hub/a/b'],
    ['docker.io=https://harbor.test/v2/hub/', 'a/b', 'docker.io/a/b', 'harbor.test', 'hub/a/b'],
    ['docker.io=http://mirror:5000/v2', 'a/b', 'docker.io/a/b', 'mirror:5000', 'a/b'],
  ])('%s: %s is cached as %s', (text, path, cacheName, domain, remote) => {
    expect(targetAt(parseUpstream(text), path)).toMatchObject({ cacheName, reference: { domain, path: remote } });
  });

  test.each(['', '=https://x.test', 'docker.io/library', 'docker.io=', 'docker.io=ftp://x', '[::1]:5000', 'a b'])(
    '%j is refused',
    (text) => expect(() => parseUpstream(text)).toThrow('invalid proxy upstream'),
  );

  test('a password in the URL is refused, and not quoted', async () => {
    const proxy = { upstreams: ['docker.io=https://me:secret@mirror.test'] };
    const failure = await startRegistry({ proxy }).catch((error: unknown) => error);
    expect(String(failure)).toContain('must not contain a user name');
    expect(JSON.stringify(failure)).not.toContain('secret');
  });
});

describe.each<[string, (work: (dir: string | undefined) => Promise<void>) => Promise<void>]>([
  ['memory', (work) => work(undefined)],
  ['a folder', (work) => withFolder((folder) => work(join(folder, 'cache')))],
])('a cache in %s', (_, withStore) => {
  test('fetches content once', () =>
    withStore((dir) =>
      withProxy(
        async (proxy, { requests }) => {
          for (let round = 0; round < 2; round += 1) {
            const byTag = await proxy.get(tagPath);
            expect(byTag).toMatchObject({
              status: 200,
              headers: { 'content-type': manifest.mediaType, 'docker-content-digest': manifest.digest },
            });
            expect(byTag.body).toEqual(image.manifest.bytes);
            expect((await proxy.get(`/v2/docker.io/library/app/manifests/${manifest.digest}`)).body).toEqual(
              image.manifest.bytes,
            );
            for (const blob of [image.config, layer])
              expect((await proxy.get(blobPath(blob.descriptor.digest))).body).toEqual(blob.bytes);
          }
          expect(requests.filter((each) => !each.endsWith('/v2/'))).toEqual([
            'GET /v2/library/app/manifests/v1',
            `GET /v2/library/app/blobs/${image.config.descriptor.digest}`,
            `GET /v2/library/app/blobs/${layer.descriptor.digest}`,
          ]);
        },
        { dir, readOnly: true },
      ),
    ));

  test('shares one request among concurrent clients', () =>
    withStore((dir) =>
      withProxy(
        async (proxy, { requests }) => {
          const paths = Array.from({ length: 12 }, (_, at) =>
            at % 2 === 0 ? tagPath : blobPath(big.descriptor.digest),
          );
          const answers = await Promise.all(paths.map((path) => proxy.get(path)));
          expect(answers.map(({ status }) => status)).toEqual(paths.map(() => 200));
          expect(answers.every(({ body }, at) => body.equals(at % 2 === 0 ? image.manifest.bytes : big.bytes))).toBe(
            true,
          );
          const gets = requests.filter((each) => each.startsWith('GET') && !each.endsWith('/v2/'));
          expect(gets.sort()).toEqual([
            `GET /v2/library/app/blobs/${big.descriptor.digest}`,
            'GET /v2/library/app/manifests/v1',
          ]);
        },
        { dir },
      ),
    ));

  test('serves ranges and sizes', () =>
    withStore((dir) =>
      withProxy(
        async (proxy) => {
          const path = blobPath(big.descriptor.digest);
          const head = await proxy.send('HEAD', path);
          expect(head.headers['content-length']).toBe(String(big.bytes.length));
          const part = await proxy.get(path, { range: 'bytes=1000000-2000000' });
          expect(part.status).toBe(206);
          expect(part.body.equals(big.bytes.subarray(1_000_000, 2_000_001))).toBe(true);
        },
        { dir },
      ),
    ));

  test.each<[string, (bytes: Uint8Array, response: ServerResponse) => void]>([
    ['has another digest', (bytes, response) => response.end(Buffer.alloc(bytes.length, 'x'))],
    ['ends in the middle', (bytes, response) => response.write(bytes.subarray(0, 1_000_000), () => response.destroy())],
  ])('cuts the connection and caches nothing if a blob %s', (_case, answer) =>
    withStore((dir) =>
      withProxy(
        async (proxy, upstream, warnings) => {
          const path = blobPath(big.descriptor.digest);
          let broken = true;
          upstream.intercept = (request, response) => {
            if (!broken || request.method !== 'GET' || !request.url!.includes(big.descriptor.digest)) return false;
            response.writeHead(200, { 'content-length': big.bytes.length });
            answer(big.bytes, response);
            return true;
          };
          await expect(proxy.get(path)).rejects.toThrow(/aborted|socket hang up/);
          expect(warnings.join()).toContain(big.descriptor.digest);
          broken = false;
          expect((await proxy.get(path)).body.equals(big.bytes)).toBe(true);
        },
        { dir },
      ),
    ),
  );

  test('is used when the upstream is gone', () =>
    withStore((dir) =>
      withProxy(
        async (proxy, upstream, warnings) => {
          await proxy.get(tagPath);
          await proxy.get(blobPath(layer.descriptor.digest));
          await upstream.registry.close();
          for (let round = 0; round < 2; round += 1) {
            const stale = await proxy.get(tagPath);
            expect(stale).toMatchObject({ status: 200, headers: { warning: '110 - "Response is Stale"' } });
            expect(stale.body).toEqual(image.manifest.bytes);
          }
          expect(warnings).toHaveLength(1);
          expect(warnings[0]).toMatch(/^upstream docker\.io is not available: (?!upstream)/);
          expect((await proxy.get(blobPath(layer.descriptor.digest))).body).toEqual(layer.bytes);
          expect(jsonOf(await proxy.get('/v2/docker.io/library/app/tags/list'))).toMatchObject({ tags: ['v1'] });
          expect((await proxy.get('/v2/docker.io/library/app/manifests/v2')).status).toBe(502);
          expect((await proxy.get(blobPath(big.descriptor.digest))).status).toBe(502);
        },
        { dir, proxy: { ttlMs: 0 } },
      ),
    ));
});

describe('tags', () => {
  const moved = imageOf('b');

  test('are served from the cache until they expire', () =>
    withProxy(async (proxy, upstream) => {
      await proxy.get(tagPath);
      await putImage(upstream.served, 'library/app', moved, 'v1');
      expect((await proxy.get(tagPath)).headers['docker-content-digest']).toBe(manifest.digest);
    }));

  test('that have moved are fetched again', () =>
    withProxy(
      async (proxy, upstream) => {
        await proxy.get(tagPath);
        upstream.requests.length = 0;
        expect((await proxy.get(tagPath)).body).toEqual(image.manifest.bytes);
        expect(upstream.requests).toEqual(['HEAD /v2/library/app/manifests/v1']);
        await putImage(upstream.served, 'library/app', moved, 'v1');
        expect((await proxy.get(tagPath)).body).toEqual(moved.manifest.bytes);
      },
      { proxy: { ttlMs: 0 } },
    ));

  test('that were deleted are not found', () =>
    withProxy(
      async (proxy, upstream) => {
        await proxy.get(tagPath);
        await upstream.served.send('DELETE', '/v2/library/app/manifests/v1');
        const answer = await proxy.get(tagPath);
        expect([answer.status, ...codesOf(answer)]).toEqual([404, 'MANIFEST_UNKNOWN']);
      },
      { proxy: { ttlMs: 0 } },
    ));

  test('and referrers are listed by the upstream', () =>
    withProxy(async (proxy, upstream) => {
      const referrer = imageOf('signature', { subject: manifest });
      await putImage(upstream.served, 'library/app', referrer);
      await putImage(upstream.served, 'library/app', moved, 'v2');
      expect(jsonOf(await proxy.get('/v2/docker.io/library/app/tags/list'))).toMatchObject({ tags: ['v1', 'v2'] });
      const listed = jsonOf(await proxy.get(`/v2/docker.io/library/app/referrers/${manifest.digest}`));
      expect(listed).toMatchObject({ manifests: [{ digest: referrer.manifest.descriptor.digest }] });
    }));
});

/** A proxy whose user `me` has these rights. */
function withUsers(rights: string, work: (proxy: Served, headers: { authorization: string }) => Promise<void>) {
  return withFolder(async (folder) => {
    const htpasswd = join(folder, 'users');
    await writeFile(htpasswd, `me:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=:${rights}\n`);
    const authorization = `Basic ${Buffer.from('me:password').toString('base64')}`;
    await withProxy((proxy) => work(proxy, { authorization }), { htpasswd });
  });
}

test.each([
  ['an image of another site', { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'image' }, 403],
  ['a script of another site', { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }, 403],
  ['a link of another site', { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'document' }, 200],
  ['a page of the registry', { 'sec-fetch-site': 'same-origin', 'sec-fetch-dest': 'image' }, 200],
])('%s: whether a browser makes the cache fetch content', (_, headers, status) =>
  withProxy(async (proxy, { requests }) => {
    expect((await proxy.get(tagPath, headers)).status).toBe(status);
    expect(requests.length > 0).toBe(status === 200);
  }),
);

describe('names', () => {
  test.each<[string, string, number]>([
    ['docker.io/library', '/v2/library/app/manifests/v1?ns=docker.io', 200],
    ['docker.io/library', '/v2/docker.io/app/manifests/v1', 200],
    ['docker.io/library', '/v2/library/app/manifests/v1', 403],
    ['library', '/v2/library/app/manifests/v1', 403],
    ['library,read:docker.io/library', '/v2/library/app/manifests/v1', 200],
    ['library,read:docker.io/other', '/v2/library/app/manifests/v1', 403],
    ['library', '/v2/library/app/manifests/v1?ns=docker.io', 403],
    ['library', '/v2/docker.io/library/app/manifests/v1', 403],
  ])('a user with rights on %s gets %s: %i', (prefix, path, status) =>
    withFolder(async (folder) => {
      const htpasswd = join(folder, 'users');
      await writeFile(htpasswd, `me:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=:read:${prefix}\n`);
      const authorization = `Basic ${Buffer.from('me:password').toString('base64')}`;
      await withProxy(async (proxy) => expect((await proxy.get(path, { authorization })).status).toBe(status), {
        htpasswd,
      });
    }),
  );

  test.each([
    ['the prefix HOST/', '/v2/docker.io/library/app/manifests/v1', 200],
    ['the prefix, without library/', '/v2/docker.io/app/manifests/v1', 200],
    ['the only upstream, as docker asks its mirrors', '/v2/library/app/manifests/v1', 200],
    ['?ns=, as containerd asks its mirrors', '/v2/library/app/manifests/v1?ns=docker.io', 200],
    ['?ns= of another registry', '/v2/library/app/manifests/v1?ns=ghcr.io', 404],
    ['a local repository', '/v2/local/app/manifests/v1', 200],
    ['an unknown repository', '/v2/library/other/manifests/v1', 404],
  ])('%s: GET %s is answered with %i', (_case, path, status) =>
    withFolder(async (dir) => {
      await withRegistry({ dir }, (local) => putImage(local, 'local/app', image, 'v1').then(() => undefined));
      await withProxy(async (proxy) => expect((await proxy.get(path)).status).toBe(status), { dir });
    }),
  );

  test('without a registry cannot be taken by a push without a login', () =>
    withFolder(async (dir) => {
      await withRegistry({ dir }, (local) => putImage(local, 'local', image, 'v1').then(() => undefined));
      await withProxy(
        async (proxy, { requests }) => {
          for (const name of ['library/app', 'app', 'team/new']) {
            const other = await proxy.send('POST', `/v2/${name}/blobs/uploads/?ns=ghcr.io`);
            expect(other.status).toBe(405);
            const refused = await putImage(proxy, name, imageOf('evil'), 'v1');
            expect([refused.status, ...codesOf(refused)]).toEqual([405, 'UNSUPPORTED']);
            expect(refused.body.toString()).toContain('push to docker.io itself');
          }
          expect(requests).toEqual([]);
          // It exists already, so that nobody gets it from the upstream.
          expect((await putImage(proxy, 'local', imageOf('new'), 'v2')).status).toBe(201);
          const answer = await proxy.get('/v2/library/app/manifests/v1');
          expect(answer.headers['docker-content-digest']).toBe(manifest.digest);
        },
        { dir },
      );
    }));

  test('belong to a user who may write them', () =>
    withUsers('write:team', async (proxy, headers) => {
      const post = (name: string) => proxy.send('POST', `/v2/${name}/blobs/uploads/`, { headers });
      expect((await post('team/new')).status).toBe(202);
      expect((await post('library/app')).status).toBe(403);
    }));

  test('of an upstream that a user may not read are not mounted, whatever they are called', () =>
    withUsers('write:team,read:library,read:docker.io/app', async (proxy, headers) => {
      for (const from of ['library/app', 'docker.io/library/app', 'docker.io/app']) {
        const path = `/v2/team/new/blobs/uploads/?mount=${layer.descriptor.digest}&from=${from}`;
        expect([from, (await proxy.send('POST', path, { headers })).status]).toEqual([from, 202]);
      }
    }));

  test('of local repositories are not sent to the upstream', () =>
    withFolder(async (dir) => {
      await withRegistry({ dir }, (local) => putImage(local, 'secret/project', image, 'v1').then(() => undefined));
      await withProxy(
        async (proxy, { requests }) => {
          await proxy.get(tagPath);
          const before = requests.length;
          for (const path of ['/', '/?ns=docker.io', '/v2/_catalog', '/v2/_catalog?ns=docker.io']) {
            const answer = await proxy.get(path);
            expect(answer.body.toString()).toMatch(/docker\.io\/library\/app[^]*secret\/project/);
          }
          expect(requests).toHaveLength(before);
        },
        { dir },
      );
    }));

  test('of several upstreams need a prefix or ?ns=', async () => {
    const [one, two] = [await startUpstream(), await startUpstream()];
    const [first, second] = [imageOf('1'), imageOf('2')];
    await putImage(one.served, 'library/app', first, 'v1');
    await putImage(two.served, 'library/app', second, 'v1');
    const upstreams = [`docker.io=${one.registry.url}`, `ghcr.io=${two.registry.url}`];
    await withRegistry({ proxy: { upstreams } }, async (proxy) => {
      const digestAt = async (path: string) => (await proxy.get(path)).headers['docker-content-digest'];
      expect(await digestAt('/v2/library/app/manifests/v1?ns=ghcr.io')).toBe(second.manifest.descriptor.digest);
      expect(await digestAt('/v2/library/app/manifests/v1?ns=docker.io')).toBe(first.manifest.descriptor.digest);
      expect(await digestAt('/v2/ghcr.io/library/app/manifests/v1')).toBe(second.manifest.descriptor.digest);
      expect((await proxy.get('/v2/library/app/manifests/v1')).status).toBe(404);
    });
  });

  test.each<[string, string]>([
    ['POST', '/v2/docker.io/library/app/blobs/uploads/'],
    ['POST', '/v2/library/app/blobs/uploads/'],
    ['POST', '/v2/team/new/blobs/uploads/?ns=docker.io'],
    ['PUT', '/v2/docker.io/library/app/manifests/v1'],
    ['DELETE', '/v2/docker.io/library/app/manifests/v1'],
    ['DELETE', `/v2/docker.io/library/app/blobs/${layer.descriptor.digest}`],
  ])('of upstreams are not written to: %s %s', (method, path) =>
    withProxy(async (proxy, { requests }) => {
      await proxy.get(tagPath);
      const body = method === 'PUT' ? image.manifest.bytes : '';
      const answer = await proxy.send(method, path, { body, headers: { 'content-type': manifest.mediaType } });
      expect([answer.status, ...codesOf(answer)]).toEqual([405, 'UNSUPPORTED']);
      expect(answer.body.toString()).toContain('change it on docker.io itself');
      expect(requests.every((each) => /^(?:GET|HEAD) /.test(each))).toBe(true);
    }),
  );

  test.each([
    ['docker.io', '?ns=docker.io', 403],
    ['team', '?ns=docker.io', 405],
    ['team', '', 202],
  ])('a user who may write %s deletes team/app with "%s": %i', (prefix, query, status) =>
    withFolder(async (folder) => {
      const htpasswd = join(folder, 'users');
      const hash = '{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=';
      await writeFile(htpasswd, `me:${hash}:write:${prefix}\nadmin:${hash}\n`);
      const login = (user: string) => ({
        authorization: `Basic ${Buffer.from(`${user}:password`).toString('base64')}`,
      });
      await withProxy(
        async (proxy) => {
          const post = `/v2/team/app/blobs/uploads/?digest=${big.descriptor.digest}`;
          expect((await proxy.send('POST', post, { body: big.bytes, headers: login('admin') })).status).toBe(201);
          const path = `/v2/team/app/_mlist/repository${query}`;
          expect((await proxy.send('DELETE', path, { headers: login('me') })).status).toBe(status);
          const blob = await proxy.get(blobPath(big.descriptor.digest, 'team/app'), login('admin'));
          expect(blob.status).toBe(status === 202 ? 404 : 200);
        },
        { htpasswd },
      );
    }),
  );

  test('a wrong size in a manifest of another repository has no effect', () =>
    withProxy(async (proxy, upstream) => {
      const document = JSON.parse(Buffer.from(image.manifest.bytes).toString()) as { layers: { size: number }[] };
      for (const each of document.layers) each.size += 1;
      const bytes = Buffer.from(JSON.stringify(document));
      upstream.intercept = (request, response) => {
        if (request.url !== '/v2/evil/app/manifests/v1') return false;
        response.setHeader('content-type', manifest.mediaType).end(bytes);
        return true;
      };
      expect((await proxy.get('/v2/docker.io/evil/app/manifests/v1')).status).toBe(200);
      const { status, body } = await proxy.get(blobPath(layer.descriptor.digest));
      expect([status, body]).toEqual([200, layer.bytes]);
    }));

  test('blobs of an upstream can be mounted into a local repository', () =>
    withUsers('read,write:team', async (proxy, headers) => {
      const path = `/v2/team/app/blobs/uploads/?mount=${layer.descriptor.digest}&from=docker.io/library/app`;
      expect((await proxy.send('POST', path, { headers })).status).toBe(201);
      expect((await proxy.get(blobPath(layer.descriptor.digest, 'team/app'), headers)).body).toEqual(layer.bytes);
    }));
});

describe('failures of the upstream', () => {
  const error = (code: string) => JSON.stringify({ errors: [{ code, message: 'the reason' }] });
  test.each([
    ['429', 429, { 'retry-after': '7' }, 429, 'TOOMANYREQUESTS'],
    ['401', 401, {}, 404, 'NAME_UNKNOWN'],
    ['403', 403, {}, 403, 'DENIED'],
    ['404', 404, {}, 404, 'MANIFEST_UNKNOWN'],
    ['500', 500, {}, 502, 'UNAVAILABLE'],
    ['503', 503, {}, 502, 'UNAVAILABLE'],
    ['418', 418, {}, 502, 'UNAVAILABLE'],
  ])('%s', (_case, status, headers, expected, code) =>
    withProxy(async (proxy, upstream) => {
      upstream.intercept = (_request, response) => {
        response.writeHead(status, headers).end(error('ANY'));
        return true;
      };
      const answer = await proxy.get(tagPath);
      expect([answer.status, ...codesOf(answer)]).toEqual([expected, code]);
      if (status === 429) expect(answer.headers['retry-after']).toBe('7');
      if (expected === 502) expect(answer.body.toString()).toContain('the reason');
    }),
  );

  test('cached tags are served during a rate limit, and other digests than the tag states are refused', () =>
    withProxy(
      async (proxy, upstream) => {
        await proxy.get(tagPath);
        upstream.intercept = (_request, response) => {
          response.writeHead(429, { 'retry-after': '7' }).end();
          return true;
        };
        expect(await proxy.get(tagPath)).toMatchObject({
          status: 200,
          headers: { warning: '110 - "Response is Stale"' },
        });
        upstream.intercept = (request, response) => {
          if (!request.url!.includes('sha256')) return false;
          response.writeHead(200, { 'content-type': manifest.mediaType }).end(imageOf('evil').manifest.bytes);
          return true;
        };
        const other = imageOf('other').manifest.descriptor.digest;
        const answer = await proxy.get(`/v2/docker.io/library/app/manifests/${other}`);
        expect([answer.status, ...codesOf(answer)]).toEqual([502, 'UNAVAILABLE']);
        upstream.intercept = undefined;
        expect((await proxy.get(`/v2/docker.io/library/app/manifests/${other}`)).status).toBe(404);
      },
      { proxy: { ttlMs: 0 } },
    ));

  const tagList = '/v2/docker.io/library/app/tags/list';
  const referrers = `/v2/docker.io/library/app/referrers/${manifest.digest}`;
  const page = (url: string) => Number(/\bpage=(\d+)/.exec(url)?.[1] ?? 0);
  const nextPage = (url: string) => `<${url.split('?')[0]}?page=${page(url) + 1}>; rel="next"`;

  test.each<[string, string, string, number, string, (url: string, response: ServerResponse) => void]>([
    [
      'a manifest that is sent as a list',
      'GET',
      tagPath,
      502,
      'sent an invalid manifest: its mediaType is',
      (_url, response) => response.writeHead(200, { 'content-type': MediaType.ociIndex }).end(image.manifest.bytes),
    ],
    [
      'a blob of more bytes than numbers can express',
      'HEAD',
      blobPath(big.descriptor.digest),
      507,
      '',
      (_url, response) => response.writeHead(200, { 'content-length': '9007199254740993' }).end(),
    ],
    [
      'tags without end',
      'GET',
      tagList,
      502,
      'more than 200000 tags',
      (url, response) => {
        const tags = Array.from({ length: 50_000 }, (_, at) => `t${page(url)}-${at}`);
        response.writeHead(200, { link: nextPage(url) }).end(JSON.stringify({ tags }));
      },
    ],
    [
      'referrers without end',
      'GET',
      referrers,
      502,
      'more than 64 MiB',
      (url, response) => {
        const annotations = { text: 'x'.repeat(3_900_000) };
        const index = indexOf([{ ...imageOf(`r${page(url)}`).manifest.descriptor, annotations }]);
        response.writeHead(200, { 'content-type': MediaType.ociIndex, link: nextPage(url) }).end(index.bytes);
      },
    ],
  ])('%s: refused', (_, method, path, status, reason, answerWith) =>
    withProxy(async (proxy, upstream) => {
      upstream.intercept = (request, response) => {
        answerWith(request.url!, response);
        return true;
      };
      const answer = await proxy.send(method, path);
      expect([answer.status, answer.body.toString()]).toEqual([status, expect.stringContaining(reason) as unknown]);
      upstream.intercept = undefined;
      expect((await proxy.get(tagPath)).headers['docker-content-digest']).toBe(manifest.digest);
    }),
  );

  test('a blob that is larger than the memory does not displace others', () =>
    withProxy(
      async (proxy, upstream) => {
        expect((await proxy.get(blobPath(layer.descriptor.digest))).status).toBe(200);
        const answer = await proxy.get(blobPath(big.descriptor.digest));
        expect([answer.status, answer.body.toString()]).toEqual([
          507,
          expect.stringContaining('which exceeds the memory or upload limit') as unknown,
        ]);
        const before = upstream.requests.length;
        expect((await proxy.get(blobPath(layer.descriptor.digest))).status).toBe(200);
        expect(upstream.requests).toHaveLength(before);
      },
      { limits: { memoryBytes: 1024 * 1024 } },
    ));

  test('pages of local repositories do not wait for an upstream', () =>
    withFolder(async (dir) => {
      await withRegistry({ dir }, (local) => putImage(local, 'local', image, 'v1').then(() => undefined));
      await withProxy(
        async (proxy, upstream) => {
          const held: ServerResponse[] = [];
          const isHeld = new Promise<void>((resolve) => {
            upstream.intercept = (request, response) => {
              if (!request.url!.includes('/referrers/')) return false;
              held.push(response);
              resolve();
              return true;
            };
          });
          const pages = Array.from({ length: 8 }, () => proxy.get('/-/repo/docker.io/library/app:v1'));
          await isHeld;
          expect((await proxy.get('/-/repo/local:v1')).status).toBe(200);
          // The proxy has not given up on the upstream yet.
          expect(held.map(({ destroyed }) => destroyed)).not.toContain(true);
          upstream.intercept = undefined;
          for (const response of held) response.writeHead(404).end();
          expect((await Promise.all(pages)).map(({ status }) => status)).toEqual(Array(8).fill(200));
        },
        { dir },
      );
    }));

  test('a registry that is its own upstream answers with 508', async () => {
    const port = await freePort();
    const address = `127.0.0.1:${port}`;
    const proxy = { upstreams: [`docker.io=http://${address}`], client: { retries: 0 } };
    await withRegistry({ address, proxy }, async (served) => {
      const answers = await Promise.all([served.get(tagPath), served.get(tagPath), served.get('/v2/x/tags/list')]);
      expect(answers.map(({ status }) => status)).toEqual([508, 508, 508]);
      expect((await served.send('HEAD', blobPath(big.descriptor.digest))).status).toBe(508);
    });
  });

  test('closing the registry ends a download that is stuck', () =>
    withProxy(async (proxy, upstream) => {
      const stuck = new Promise<void>((resolve) => {
        upstream.intercept = (request, response) => {
          if (request.method !== 'GET' || !request.url!.includes('/blobs/')) return false;
          response.writeHead(200, { 'content-length': big.bytes.length });
          response.write(big.bytes.subarray(0, 1000));
          resolve();
          return true;
        };
      });
      const answer = proxy.get(blobPath(big.descriptor.digest));
      answer.catch(() => undefined);
      await stuck;
      await proxy.registry.close();
      await expect(answer).rejects.toThrow(/aborted|hang up|ECONNRESET/);
    }));
});

test('a client that disconnects does not end a download', () =>
  withProxy(async (proxy, upstream) => {
    let proceed = (): void => undefined;
    const gate = new Promise<void>((resolve) => (proceed = resolve));
    const started = new Promise<void>((resolve) => {
      upstream.intercept = async (request, response) => {
        if (request.method !== 'GET' || !request.url!.includes('/blobs/')) return false;
        response.writeHead(200, { 'content-length': big.bytes.length });
        response.write(big.bytes.subarray(0, 1_000_000));
        resolve();
        await gate;
        response.end(big.bytes.subarray(1_000_000));
        return true;
      };
    });
    const abort = new AbortController();
    const path = blobPath(big.descriptor.digest);
    const first = fetch(`${proxy.url}${path}`, { signal: abort.signal });
    await started;
    abort.abort();
    await first.then((response) => response.arrayBuffer()).catch(() => undefined);
    const second = proxy.get(path);
    proceed();
    expect((await second).body.equals(big.bytes)).toBe(true);
    expect(upstream.requests.filter((each) => each.startsWith('GET') && each.includes('/blobs/'))).toHaveLength(1);
  }));

test('cached blobs are removed from memory to make room, and fetched again', async () => {
  const upstream = await startUpstream();
  const blobs = Array.from({ length: 6 }, (_, at) => blobOf(Buffer.alloc(300 * 1024, at + 1)));
  for (const blob of blobs) await upstream.served.putBlob('library/app', blob);
  const options = {
    limits: { memoryBytes: 1024 * 1024 },
    // With a second upstream, names without a registry are local.
    proxy: { upstreams: [`docker.io=${upstream.registry.url}`, 'other.test'] },
  };
  await withRegistry(options, async (proxy) => {
    for (const { descriptor, bytes } of [...blobs, ...blobs])
      expect((await proxy.get(blobPath(descriptor.digest))).body.equals(bytes)).toBe(true);
    expect((await proxy.putBlob('local', blobOf(Buffer.alloc(900 * 1024)))).status).toBe(201);
  });
});

test('content that needs a login is cached only with credentials', async () => {
  const users = contentOf('text/plain', 'me:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n');
  await withFolder(async (folder) => {
    await writeFile(join(folder, 'users'), users.bytes);
    const upstream = await startUpstream({ htpasswd: join(folder, 'users') });
    const headers = { authorization: `Basic ${Buffer.from('me:secret').toString('base64')}` };
    const push = (path: string, method: string, body: Uint8Array, type = 'application/octet-stream') =>
      send(upstream.registry.url, method, path, { headers: { ...headers, 'content-type': type }, body });
    for (const { descriptor, bytes } of [image.config, layer])
      await push(`/v2/library/app/blobs/uploads/?digest=${descriptor.digest}`, 'POST', bytes);
    await push('/v2/library/app/manifests/v1', 'PUT', image.manifest.bytes, manifest.mediaType);
    const upstreams = [`docker.io=${upstream.registry.url}`];
    await withRegistry({ proxy: { upstreams } }, async (proxy) => {
      expect((await proxy.get(tagPath)).status).toBe(404);
    });
    const credentials = (registry: string) =>
      Promise.resolve(
        registry === upstream.registry.host
          ? ({ type: 'basic', username: 'me', password: 'secret' } as const)
          : undefined,
      );
    await withRegistry({ proxy: { upstreams, client: { credentials } } }, async (proxy) => {
      expect((await proxy.get(tagPath)).body).toEqual(image.manifest.bytes);
    });
  });
});

test('an index and its images are pulled through', async () => {
  const upstream = await startUpstream();
  const images = ['x', 'y'].map((seed) => imageOf(seed));
  for (const each of images) await putImage(upstream.served, 'team/list', each);
  const index = indexOf(images.map((each) => each.manifest.descriptor));
  await upstream.served.putManifest('team/list', index, 'v1');
  await withRegistry({ proxy: { upstreams: [`ghcr.io=${upstream.registry.url}`] } }, async (proxy) => {
    expect((await proxy.get('/v2/team/list/manifests/v1')).body).toEqual(index.bytes);
    for (const each of images) {
      const path = `/v2/team/list/manifests/${each.manifest.descriptor.digest}`;
      expect((await proxy.get(path)).body).toEqual(each.manifest.bytes);
    }
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
