import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { openLayout } from '../../src/store/layout/open-layout.ts';
import { folderOf, repositoryNameOf } from '../../src/server/repository-folder.ts';
import { checkHost } from '../../src/server/auth/origin.ts';
import { startRegistry, type ServedRequest } from '../../src/server/start-registry.ts';
import { blobOf, chunksOf, imageOf, withFolder } from '../store/samples.ts';
import { codesOf, stores, jsonOf, putImage, send, withRegistry } from './client.ts';

describe.each(stores)('a registry in %s', (_, serve) => {
  test.each(['/v2/', '/v2'])('answers to %s', (path) =>
    serve(async (served) => {
      for (const method of ['GET', 'HEAD']) {
        const answer = await served.send(method, path);
        expect(answer.status).toBe(200);
        expect(answer.headers['docker-distribution-api-version']).toBe('registry/2.0');
      }
    }),
  );

  test.each([
    ['GET', '/v1/', 404, 'NAME_UNKNOWN'],
    ['POST', '/v2/_catalog', 405, 'UNSUPPORTED'],
    ['GET', '/v2/repo/unknown/x', 404, 'NAME_UNKNOWN'],
    ['PUT', '/v2/', 405, 'UNSUPPORTED'],
    ['POST', '/v2/repo/manifests/v1', 405, 'UNSUPPORTED'],
    ['PUT', '/v2/repo/tags/list', 405, 'UNSUPPORTED'],
    ['GET', '/v2/repo/blobs/uploads/', 405, 'UNSUPPORTED'],
    ['PATCH', '/v2/repo/blobs/sha256:0', 405, 'UNSUPPORTED'],
    ['OPTIONS', '/v2/', 405, 'UNSUPPORTED'],
    ['GET', '/v2/Repo/manifests/v1', 400, 'NAME_INVALID'],
    ['GET', '/v2/a..b/manifests/v1', 400, 'NAME_INVALID'],
    ['GET', '/v2/../manifests/v1', 400, 'NAME_INVALID'],
    ['GET', '/v2/a/../../etc/manifests/passwd', 400, 'NAME_INVALID'],
    ['GET', '/v2/a%2F..%2Fb/manifests/v1', 400, 'NAME_INVALID'],
    ['GET', '/v2/a/manifests/..%2Findex.json', 400, 'NAME_INVALID'],
    ['GET', '/v2/a%5Cb/manifests/v1', 400, 'NAME_INVALID'],
    ['GET', '/v2/a%00/manifests/v1', 400, 'NAME_INVALID'],
    ['GET', '/v2/%zz/manifests/v1', 400, 'NAME_INVALID'],
    ['GET', '/v2//manifests/v1', 404, 'NAME_UNKNOWN'],
    ['GET', `/v2/${'x'.repeat(256)}/manifests/v1`, 400, 'NAME_INVALID'],
    ['POST', '/v2/a.b./blobs/uploads/', 400, 'NAME_INVALID'],
    ['GET', 'http://127.0.0.1/v2/', 400, 'UNSUPPORTED'],
  ])('refuses %s %s', (method, path, status, code) =>
    serve(async (served) => {
      const answer = await served.send(method, path);
      expect([answer.status, ...codesOf(answer)]).toEqual([status, code]);
      expect(answer.headers['content-type']).toBe('application/json');
      if (status === 405) expect(answer.headers.allow).toMatch(/^[A-Z, ]+$/);
    }),
  );

  test.each(['a', 'a/b', 'a.b-c__d/e', 'manifests', 'a/manifests/tags', 'blobs/uploads', 'con', 'x'.repeat(255)])(
    'takes the name %s',
    (name) =>
      serve(async (served) => {
        const image = imageOf('a');
        expect((await putImage(served, name, image, 'v1')).status).toBe(201);
        expect((await served.get(`/v2/${name}/manifests/v1`)).body).toEqual(image.manifest.bytes);
        expect(jsonOf(await served.get(`/v2/${name}/tags/list`))).toEqual({ name, tags: ['v1'] });
      }),
  );

  test('keeps repositories apart', () =>
    serve(async (served) => {
      const image = imageOf('a');
      const names = ['a', 'a/b', 'a/blobs', 'a/blobs/sha256'];
      for (const name of names) {
        expect((await served.get(`/v2/${name}/blobs/${image.config.descriptor.digest}`)).status).toBe(404);
        await putImage(served, name, image, name.replaceAll('/', '-'));
      }
      for (const name of names) {
        expect(jsonOf(await served.get(`/v2/${name}/tags/list`))).toEqual({ name, tags: [name.replaceAll('/', '-')] });
      }
    }));

  test('goes on with the next request of a connection after a body that it did not want', () =>
    serve(async (served) => {
      const { hostname, port } = new URL(served.url);
      const socket = connect(Number(port), hostname);
      const large = 'x'.repeat(300_000);
      const half = large.slice(0, 150_000);
      const head = `host: ${hostname}\r\ncontent-type: application/json\r\n`;
      socket.write(`PUT /v2/repo/manifests/v1 HTTP/1.1\r\n${head}content-length: ${large.length}\r\n\r\n${large}`);
      socket.write(`POST /v2/repo/manifests/v1 HTTP/1.1\r\n${head}content-length: ${large.length}\r\n\r\n${half}`);
      setTimeout(() => socket.end(`${half}GET /v2/ HTTP/1.1\r\n${head}connection: close\r\n\r\n`), 50);
      let text = '';
      for await (const chunk of socket) text += String(chunk);
      expect([...text.matchAll(/HTTP\/1.1 (\d+)/g)].map(([, status]) => status)).toEqual(['400', '405', '200']);
    }));

  test('refuses strange hosts', () =>
    serve(async (served) => {
      const statuses = ['evil.example', 'evil.example:80', '127.0.0.1.evil.example', 'a/b', 'a@127.0.0.1'].map(
        async (host) => (await served.get('/v2/', { host })).status,
      );
      expect(await Promise.all(statuses)).toEqual([421, 421, 421, 400, 400]);
      for (const host of ['localhost', 'localhost:5000', 'registry.localhost', '127.1.2.3', '[::1]:5000']) {
        expect((await served.get('/v2/', { host })).status).toBe(200);
      }
    }));

  test('refuses to be read-only and to be written', () =>
    serve(async (served) => {
      const events: ServedRequest[] = [];
      const options = { dir: served.dir, readOnly: true, onRequest: (event: ServedRequest) => void events.push(event) };
      await putImage(served, 'repo', imageOf('a'), 'v1');
      await withRegistry(options, async (reader) => {
        const writes = [
          ['POST', '/v2/repo/blobs/uploads/'],
          ['PUT', '/v2/repo/manifests/v1'],
          ['DELETE', '/v2/repo/manifests/v1'],
          ['DELETE', `/v2/repo/blobs/${imageOf('a').config.descriptor.digest}`],
        ] as const;
        for (const [method, path] of writes) {
          const answer = await reader.send(method, path);
          expect([answer.status, ...codesOf(answer)]).toEqual([405, 'UNSUPPORTED']);
          expect(answer.body.toString()).toContain('the registry is read-only');
        }
        const unsupported = await reader.send('POST', '/v2/repo/tags/list');
        expect(unsupported.body.toString()).toContain('POST is not supported for this path');
        const found = await reader.get('/v2/repo/manifests/v1');
        expect(found.status).toBe(served.dir === undefined ? 404 : 200);
      });
      expect(events.map(({ method, status }) => `${method} ${status}`).slice(0, 4)).toEqual([
        'POST 405',
        'PUT 405',
        'DELETE 405',
        'DELETE 405',
      ]);
    }));
});

describe('a folder of repositories', () => {
  test.each([
    ['repo', 'repo'],
    ['a/b', 'a%2Fb'],
    ['a/b/c', 'a%2Fb%2Fc'],
    ['con', '%63on'],
    ['nul.x', '%6Eul.x'],
    ['console', 'console'],
    ['a/con', 'a%2Fcon'],
  ])('keeps %s in %s', (name, folder) => {
    expect(folderOf(name)).toBe(folder);
    expect(repositoryNameOf(folder)).toBe(name);
  });

  test('has a folder for each name that is too long for a file system', () => {
    const long = ['a', 'b'].map((end) => `${'x/'.repeat(120)}${end}`);
    const folders = long.map(folderOf);
    expect(new Set(folders).size).toBe(2);
    for (const folder of folders) {
      expect(folder.length).toBeLessThan(255);
      expect(repositoryNameOf(folder)).toBeUndefined();
    }
  });

  test.each(['A', 'a%2fb', 'a%62', '%61', '.hidden', 'a%2F', 'index.json%00', 'con'])(
    'has no repository in %s',
    (folder) => expect(repositoryNameOf(folder)).toBeUndefined(),
  );

  test('serves a layout that was put there by hand, and sees what changes in it', () =>
    withFolder((dir) =>
      withRegistry({ dir }, async (served) => {
        expect((await served.get('/v2/byhand/tags/list')).status).toBe(404);
        const layout = await openLayout(join(dir, 'byhand'), { create: true });
        const image = imageOf('a');
        for (const { descriptor, bytes } of [image.config, ...image.layers]) {
          await layout.putBlob(descriptor, () => chunksOf(bytes));
        }
        await layout.putManifest(image.manifest, 'v1');
        await layout.putManifest(image.manifest, 'docker.io/library/a:v1');
        expect(jsonOf(await served.get('/v2/byhand/tags/list'))).toEqual({ name: 'byhand', tags: ['v1'] });
        expect((await served.get('/v2/byhand/manifests/v1')).body).toEqual(image.manifest.bytes);
        await served.putManifest('byhand', image.manifest, 'v2');
        expect((await layout.resolve('v2')).digest).toBe(image.manifest.descriptor.digest);
      }),
    ));

  test('keeps its content for the next registry', () =>
    withFolder(async (dir) => {
      const image = imageOf('a');
      await withRegistry({ dir }, async (served) => {
        await putImage(served, 'a/b', image, 'v1');
      });
      expect(await readdir(dir)).toEqual(['a%2Fb']);
      await withRegistry({ dir, readOnly: true }, async (served) => {
        expect((await served.get('/v2/a/b/manifests/v1')).body).toEqual(image.manifest.bytes);
      });
    }));

  test('requests to a damaged repository have status 500 without its path, and do not affect others', () =>
    withFolder(async (dir) => {
      const faults: unknown[] = [];
      const onRequest = (event: ServedRequest): void => void faults.push(event.fault);
      await withRegistry({ dir, onRequest }, async (served) => {
        await putImage(served, 'good', imageOf('a'), 'v1');
        await putImage(served, 'bad', imageOf('a'), 'v1');
        await writeFile(join(dir, 'bad', 'index.json'), '{');
        await mkdir(join(dir, 'worse'));
        await writeFile(join(dir, 'worse', 'oci-layout'), '{');
        const answer = await served.get('/v2/bad/manifests/v1');
        expect([answer.status, ...codesOf(answer)]).toEqual([500, 'UNKNOWN']);
        expect(answer.body.toString()).not.toContain(dir);
        expect((await served.get('/v2/worse/tags/list')).status).toBe(500);
        expect((await served.get('/v2/good/manifests/v1')).status).toBe(200);
        const { digest } = imageOf('a').config.descriptor;
        const mount = await served.send('POST', `/v2/new/blobs/uploads/?mount=${digest}`);
        expect(mount.status).toBe(201);
      });
      expect(faults).toContainEqual(expect.objectContaining({ code: 'ERR_MLIST_DOCUMENT_INVALID' }));
    }));

  (process.platform === 'win32' ? test.skip : test)('does not follow a link out of it', () =>
    withFolder(async (folder) => {
      const [dir, outside] = [join(folder, 'served'), join(folder, 'outside')];
      await openLayout(outside, { create: true });
      await withRegistry({ dir }, async (served) => {
        await symlink(outside, join(dir, 'repo'));
        expect((await served.get('/v2/repo/tags/list')).status).toBe(500);
        expect((await served.putBlob('repo', blobOf('bytes'))).status).toBe(500);
        expect(await readdir(join(outside, 'blobs'))).toEqual([]);
      });
    }),
  );

  test('must not be a layout itself', () =>
    withFolder(async (dir) => {
      await openLayout(dir, { create: true });
      await expect(startRegistry({ dir })).rejects.toMatchObject({ code: 'ERR_MLIST_USAGE' });
    }));

  test('must exist for a read-only registry', () =>
    withFolder(async (dir) => {
      const starting = startRegistry({ dir: join(dir, 'none'), readOnly: true });
      await expect(starting).rejects.toMatchObject({ code: 'ERR_MLIST_FILE' });
    }));
});

describe('starting and stopping', () => {
  test('returns its URL and host', () =>
    withRegistry({ address: '127.0.0.1:0' }, async ({ registry }) => {
      expect(registry.host).toMatch(/^127\.0\.0\.1:\d+$/);
      expect(registry.url).toBe(`http://${registry.host}`);
      expect((await send(registry.url, 'GET', '/v2/')).status).toBe(200);
    }));

  test('refuses an IPv6 address that the machine does not have', () =>
    expect(startRegistry({ address: '[2001:db8::1]:0' })).rejects.toMatchObject({
      code: 'ERR_MLIST_NETWORK',
      message: expect.stringContaining('cannot listen on [2001:db8::1]:0: ') as unknown,
    }));

  test.each(['', '5000', 'localhost', ':5000', 'a:b', '127.0.0.1:70000', 'http://127.0.0.1:5000'])(
    'refuses the address %j',
    async (address) => {
      await expect(startRegistry({ address })).rejects.toMatchObject({ code: 'ERR_MLIST_USAGE' });
    },
  );

  test('refuses a port that is in use', () =>
    withRegistry({}, async ({ registry }) => {
      const second = startRegistry({ address: registry.host });
      await expect(second).rejects.toMatchObject({ code: 'ERR_MLIST_NETWORK' });
    }));

  test('releases the port, also when it is closed twice', async () => {
    const registry = await startRegistry();
    await Promise.all([registry.close(), registry.close()]);
    await expect(send(registry.url, 'GET', '/v2/')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  test('closes on a signal', async () => {
    const controller = new AbortController();
    const registry = await startRegistry({ signal: controller.signal });
    controller.abort();
    await registry.close();
    await expect(send(registry.url, 'GET', '/v2/')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await expect(startRegistry({ signal: controller.signal })).rejects.toMatchObject({ name: 'AbortError' });
  });

  test('reports requests', async () => {
    const events: ServedRequest[] = [];
    await withRegistry({ onRequest: (event) => void events.push(event) }, async (served) => {
      await served.get('/v2/repo/tags/list?n=1');
      await served.get('/v2/');
    });
    expect(events).toMatchObject([
      { type: 'request', method: 'GET', path: '/v2/repo/tags/list?n=1', status: 404, aborted: false },
      { type: 'request', method: 'GET', path: '/v2/', status: 200, aborted: false },
    ]);
    for (const { milliseconds } of events) expect(milliseconds).toBeGreaterThan(0);
  });

  test('a registry that listens on all addresses accepts any name', () => {
    const host = 'registry.example:5000';
    const request = { headers: { host }, rawHeaders: ['Host', host] };
    expect(() => checkHost(request, false)).not.toThrow();
    expect(() => checkHost(request, true)).toThrow(`to use it as ${host}, start it on an address`);
  });
});
