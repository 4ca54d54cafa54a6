import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { openLayout } from '../../src/store/layout/open-layout.ts';
import type { ManifestContent } from '../../src/store/store.ts';
import { MediaType } from '../../src/oci/media-type.ts';
import { describeWith, runProgram } from '../support/programs.ts';
import { bytesOf, contentOf, indexOf, putUnpackableList, unstated, withFolder, type Image } from '../store/samples.ts';
import { withRegistry, type Served } from './client.ts';

const copy = ['copy', '--insecure-policy', '--all', '--preserve-digests', '--dest-tls-verify=false'];

interface Pushed {
  readonly index: ManifestContent;
  readonly images: readonly Image[];
}

/** A registry in a folder, to which skopeo has pushed `team/app:v1`. */
function withPushed(
  options: { readonly htpasswd?: string; readonly credentials?: string },
  work: (served: Served, pushed: Pushed, folder: string) => Promise<void>,
): Promise<void> {
  const { htpasswd, credentials } = options;
  return withFolder(async (folder) => {
    const source = join(folder, 'source');
    const pushed = await putUnpackableList(await openLayout(source, { create: true }), 'v1');
    await withRegistry({ dir: join(folder, 'served'), htpasswd }, async (served) => {
      const login = credentials === undefined ? [] : ['--dest-creds', credentials];
      await runProgram('skopeo', ...copy, ...login, `oci:${source}:v1`, `docker://${served.registry.host}/team/app:v1`);
      await work(served, pushed, folder);
    });
  });
}

describeWith('skopeo', 'another client', () => {
  test('pushes a list with its images, and pulls the same bytes', () =>
    withPushed({}, async (served, { index, images }, folder) => {
      expect((await served.get('/v2/team/app/manifests/v1')).body).toEqual(index.bytes);
      const target = join(folder, 'target');
      await runProgram(
        'skopeo',
        ...['copy', '--insecure-policy', '--all', '--preserve-digests', '--src-tls-verify=false'],
        ...[`docker://${served.registry.host}/team/app:v1`, `oci:${target}:v1`],
      );
      const layout = await openLayout(target);
      expect(await layout.fetchManifest('v1')).toEqual(index);
      for (const { manifest, config, layers } of images) {
        expect(await layout.fetchManifest(manifest.descriptor.digest)).toEqual(manifest);
        for (const { descriptor, bytes } of [config, ...layers]) {
          expect(await bytesOf(layout.readBlob(descriptor))).toEqual(bytes);
        }
      }
    }));

  test('copies within the registry by mounting', () =>
    withPushed({}, async (served, { index }) => {
      const { host } = served.registry;
      const from = `docker://${host}/team/app:v1`;
      await runProgram('skopeo', ...copy, '--src-tls-verify=false', from, `docker://${host}/copy:v1`);
      expect((await served.get('/v2/copy/manifests/v1')).body).toEqual(index.bytes);
    }));

  test('inspects, lists tags and deletes', () =>
    withPushed({}, async (served, { index }) => {
      const ref = `docker://${served.registry.host}/team/app`;
      const inspected = await runProgram('skopeo', 'inspect', '--tls-verify=false', '--raw', `${ref}:v1`);
      expect(inspected).toBe(Buffer.from(index.bytes).toString());
      const tags = await runProgram('skopeo', 'list-tags', '--tls-verify=false', ref);
      expect(JSON.parse(tags)).toMatchObject({ Tags: ['v1'] });
      await runProgram('skopeo', 'delete', '--tls-verify=false', `${ref}:v1`);
      expect((await served.get('/v2/team/app/manifests/v1')).status).toBe(404);
    }));

  test('reads the folder of a repository, with entries that have no name', () =>
    withPushed({}, async (served, { index, images: [image] }, folder) => {
      const child = contentOf(MediaType.dockerManifest, unstated(image!.manifest).bytes);
      expect((await served.putManifest('team/app', child)).status).toBe(201);
      expect((await served.putManifest('team/app', indexOf([child.descriptor]), 'v2')).status).toBe(201);
      const dir = join(folder, 'served', 'team%2Fapp');
      expect(await (await openLayout(dir)).entries()).toContainEqual(child.descriptor);
      const inspected = await runProgram('skopeo', 'inspect', '--raw', `oci:${dir}:v1`);
      expect(inspected).toBe(Buffer.from(index.bytes).toString());
      await runProgram(
        'skopeo',
        'copy',
        '--insecure-policy',
        '--all',
        `oci:${dir}:v1`,
        `oci:${join(folder, 'copied')}:v1`,
      );
    }));

  test('logs in', () =>
    withFolder(async (folder) => {
      const htpasswd = join(folder, 'htpasswd');
      await writeFile(htpasswd, `me:{SHA256}${createHash('sha256').update('secret').digest('base64')}\n`);
      await withPushed({ htpasswd, credentials: 'me:secret' }, async (served) => {
        const ref = `docker://${served.registry.host}/team/app:v1`;
        const inspect = ['inspect', '--tls-verify=false', '--raw'];
        await expect(runProgram('skopeo', ...inspect, '--no-creds', ref)).rejects.toBeDefined();
        await expect(runProgram('skopeo', ...inspect, '--creds', 'me:wrong', ref)).rejects.toBeDefined();
        await expect(runProgram('skopeo', ...inspect, '--creds', 'me:secret', ref)).resolves.toContain('manifests');
      });
    }));

  test('pulls through the proxy as a mirror, also when the upstream is gone', () =>
    withPushed({}, async (upstream, { index }, folder) => {
      const proxy = { upstreams: [`registry.test=${upstream.url}`], ttlMs: 0 };
      await withRegistry({ proxy, dir: join(folder, 'cache') }, async ({ registry: { host } }) => {
        const conf = join(folder, 'registries.conf');
        const mirror = `[[registry.mirror]]\nlocation = "${host}/registry.test"\ninsecure = true\n`;
        await writeFile(conf, `[[registry]]\nprefix = "registry.test"\nlocation = "registry.test"\n${mirror}`);
        const pull = async (to: string) => {
          const target = join(folder, to);
          const all = ['--registries-conf', conf, 'copy', '--insecure-policy', '--all', '--preserve-digests'];
          await runProgram('skopeo', ...all, 'docker://registry.test/team/app:v1', `oci:${target}:v1`);
          expect(await (await openLayout(target)).fetchManifest('v1')).toEqual(index);
        };
        await pull('first');
        await upstream.registry.close();
        await pull('second');
        const direct = `docker://${host}/registry.test/team/app:v1`;
        expect(await runProgram('skopeo', 'inspect', '--tls-verify=false', '--raw', direct)).toBe(
          Buffer.from(index.bytes).toString(),
        );
        const push = runProgram('skopeo', ...copy, `oci:${join(folder, 'first')}:v1`, direct);
        await expect(push).rejects.toMatchObject({
          stderr: expect.stringContaining('change it on registry.test itself'),
        });
      });
    }));
});
