import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { openLayout } from '../../src/store/layout/open-layout.ts';
import { childrenIn, readDocument } from '../../src/oci/children.ts';
import type { ManifestContent } from '../../src/store/store.ts';
import { isLong } from '../support/long.ts';
import { startMlist } from '../support/mlist.ts';
import { blobOf, collect, imageOf, indexOf, withFolder } from '../store/samples.ts';
import { send, withRegistry } from './client.ts';

const rounds = isLong ? 8 : 1;
const clients = isLong ? 32 : 12;

interface Acknowledged {
  /** The last list of a tag that the server has acknowledged. */
  readonly known: Map<string, ManifestContent>;
  /** Lists that were being put when the server was killed. */
  readonly pending: Map<string, ManifestContent>;
  /** Number of acknowledged lists. */
  count: number;
}

/** Pushes lists of two images, and blobs that nothing refers to, until the server is gone. */
async function push(url: string, client: number, round: number, state: Acknowledged): Promise<void> {
  const { known, pending } = state;
  const put = (kind: string, { descriptor, bytes }: ManifestContent, reference: string): Promise<number> =>
    (kind === 'blob'
      ? send(url, 'POST', `/v2/repo/blobs/uploads/?digest=${reference}`, { body: bytes })
      : send(url, 'PUT', `/v2/repo/manifests/${reference}`, {
          headers: { 'content-type': descriptor.mediaType },
          body: bytes,
        })
    ).then(({ status }) => status);
  for (let at = 0; ; at += 1) {
    const tag = `t${client}-${at % 6}`;
    const images = [imageOf(`shared ${at % 3}`), imageOf(`${client} ${round} ${at}`)];
    const list = indexOf(images.map(({ manifest }) => manifest.descriptor));
    await put(
      'blob',
      blobOf(`abandoned ${client} ${round} ${at}`),
      blobOf(`abandoned ${client} ${round} ${at}`).descriptor.digest,
    );
    for (const { config, layers, manifest } of images) {
      for (const blob of [config, ...layers]) await put('blob', blob, blob.descriptor.digest);
      await put('manifest', manifest, manifest.descriptor.digest);
    }
    pending.set(tag, list);
    // The grace time is short here, so that content may be removed between the requests of a push.
    if ((await put('manifest', list, tag)) === 201) {
      known.set(tag, list);
      state.count += 1;
    }
    pending.delete(tag);
  }
}

/** All content of all tags is there, and each tag has a list that was put under it. */
async function expectNothingLost(dir: string, { known, pending }: Acknowledged): Promise<void> {
  const layout = await openLayout(dir);
  const tags = new Set(await collect(layout.tags()));
  for (const [tag, list] of known) {
    const { bytes, descriptor } = await layout.fetchManifest(tag);
    expect([list.descriptor.digest, pending.get(tag)?.descriptor.digest]).toContain(descriptor.digest);
    const links = childrenIn(readDocument(bytes), descriptor.mediaType);
    for (const child of links.manifests) {
      const image = await layout.fetchManifest(child.digest);
      const { blobs } = childrenIn(readDocument(image.bytes), image.descriptor.mediaType);
      for (const blob of blobs) await layout.fetchBlob(blob);
    }
    tags.delete(tag);
  }
  expect([...tags].filter((tag) => !pending.has(tag))).toEqual([]);
}

test(
  `a server that is killed while it collects garbage and ${clients} clients push loses nothing that a tag reaches`,
  () =>
    withFolder(async (dir) => {
      const state: Acknowledged = { known: new Map(), pending: new Map(), count: 0 };
      for (let round = 0; round < rounds; round += 1) {
        const args = ['serve', '--addr', '127.0.0.1:0', '--dir', dir, '--gc', '--grace', '400ms', '--delete-untagged'];
        const server = startMlist(args);
        const [line] = (await once(server.child.stdout!, 'data')) as [Buffer];
        const url = line.toString().trim();
        const pushes = Array.from({ length: clients }, (_, client) =>
          push(url, client, round, state).catch(() => undefined),
        );
        // Kills it at another moment in each round, when there is something to lose.
        const before = state.count;
        while (state.count < before + clients) await sleep(20);
        await sleep(50 + 137 * round);
        server.child.kill('SIGKILL');
        await server.ended;
        await Promise.all(pushes);
        await expectNothingLost(join(dir, 'repo'), state);
        state.pending.clear();
        for await (const tag of (await openLayout(join(dir, 'repo'))).tags()) {
          state.known.set(tag, await (await openLayout(join(dir, 'repo'))).fetchManifest(tag));
        }
      }
      await withRegistry({ dir }, async () => {
        const files = await readdir(join(dir, 'repo'));
        expect(files.filter((name) => name.startsWith('.') && !/\.lock(?:\.break)?$/.test(name))).toEqual([]);
      });
      await expectNothingLost(join(dir, 'repo'), state);
    }),
  600_000,
);
