import { readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { collectFolder } from '../../src/server/garbage/collect-folder.ts';
import type { ManifestContent } from '../../src/store/store.ts';
import type { Digest } from '../../src/oci/digest.ts';
import {
  blobOf,
  contentOf,
  contentsOf,
  imageOf,
  indexOf,
  tagged,
  withFolder,
  writeLayout,
  type Image,
} from '../store/samples.ts';
import { Limiter } from '../../src/async/limiter.ts';
import { isLong, roundsOf } from '../support/long.ts';
import { putImage, withRegistry, type Served } from './client.ts';

const CLIENTS = isLong ? 32 : 5;

const [one, two, three] = ['one', 'two', 'three'].map((seed) => imageOf(seed)) as [Image, Image, Image];
const index = indexOf([one.manifest.descriptor, two.manifest.descriptor]);
const signature = imageOf('signature', { subject: index.descriptor });
const loose = blobOf('nothing refers to this');

/** Removes what is older than no time at all. Blobs are examined by the clock of the file system, which ticks slowly. */
const now = { grace: 0 };

function withDir(work: (dir: string) => Promise<void>): Promise<void> {
  return withFolder((folder) => work(join(folder, 'served')));
}

async function blobsIn(dir: string, repository = 'repo'): Promise<readonly string[]> {
  return (await readdir(join(dir, repository, 'blobs', 'sha256'))).map((encoded) => `sha256:${encoded}`).sort();
}

function digestsOf(...contents: readonly ManifestContent[]): readonly Digest[] {
  return contents.map(({ descriptor }) => descriptor.digest).sort();
}

/** A list with its images and a signature of it, an image by digest, and a blob without a manifest. */
async function pushAll(served: Served): Promise<void> {
  for (const image of [one, two]) await putImage(served, 'repo', image);
  await served.putManifest('repo', index, 'v1');
  await putImage(served, 'repo', signature);
  await putImage(served, 'repo', three);
  await served.putBlob('repo', loose);
}

const needed = [...contentsOf(one), ...contentsOf(two), index, ...contentsOf(signature)];

describe('garbage collection', () => {
  const cases: readonly (readonly [
    string,
    { readonly grace: number; readonly deleteUntagged?: boolean },
    readonly ManifestContent[],
  ])[] = [
    ['removes blobs without a manifest', now, [...needed, ...contentsOf(three)]],
    [
      'removes untagged manifests if asked, but not children and signatures of what stays',
      { ...now, deleteUntagged: true },
      needed,
    ],
    [
      'keeps everything within the grace time',
      { grace: 3_600_000, deleteUntagged: true },
      [...needed, ...contentsOf(three), loose],
    ],
  ];
  test.each(cases)('%s', (_, options, kept) =>
    withDir(async (dir) => {
      await withRegistry({ dir }, async (served) => {
        await pushAll(served);
        const before = await blobsIn(dir);
        const dry = await collectFolder(dir, { ...options, dryRun: true });
        expect(await blobsIn(dir)).toEqual(before);
        const done = await collectFolder(dir, options);
        expect(done).toEqual(dry);
        expect(await blobsIn(dir)).toEqual(digestsOf(...kept));
        const removed = before.filter((digest) => !digestsOf(...kept).includes(digest as Digest));
        expect(done.removed.flatMap(({ blobs }) => [...blobs]).sort()).toEqual(removed);
        expect((await served.get('/v2/repo/manifests/v1')).body).toEqual(index.bytes);
        const status = options.deleteUntagged === true && options.grace === 0 ? 404 : 200;
        expect((await served.get(`/v2/repo/manifests/${three.manifest.descriptor.digest}`)).status).toBe(status);
      });
    }),
  );

  test('removes a tree of untagged indexes, and its signature', () =>
    withDir(async (dir) => {
      await withRegistry({ dir }, async (served) => {
        await pushAll(served);
        await served.send('DELETE', '/v2/repo/manifests/v1');
      });
      const [repository] = (await collectFolder(dir, { ...now, deleteUntagged: true })).removed;
      expect(repository?.manifests).toHaveLength(3);
      expect(await blobsIn(dir)).toEqual([]);
      await withRegistry({ dir }, async (served) => {
        expect((await served.get(`/v2/repo/manifests/${index.descriptor.digest}`)).status).toBe(404);
      });
    }));

  test('counts the grace time from the last use of a blob', () =>
    withDir(async (dir) => {
      await withRegistry({ dir, gc: { grace: 600_000 } }, async (served) => {
        await pushAll(served);
        const path = join(dir, 'repo', 'blobs', ...loose.descriptor.digest.split(':'));
        const past = new Date(Date.now() - 3_600_000);
        await utimes(path, past, past);
        await served.send('HEAD', `/v2/repo/blobs/${loose.descriptor.digest}`);
        await collectFolder(dir, { grace: 600_000 });
        expect(await blobsIn(dir)).toContain(loose.descriptor.digest);
      });
    }));

  test('keeps what a manifest of an unknown type names', () =>
    withDir(async (dir) => {
      const type = 'application/vnd.oci.artifact.manifest.v1+json';
      const artifact = contentOf(type, Buffer.from(JSON.stringify({ mediaType: type, blobs: [loose.descriptor] })));
      await writeLayout(join(dir, 'repo'), [artifact, loose, three.config], [tagged(artifact, 'v1')]);
      await collectFolder(dir, now);
      expect(await blobsIn(dir)).toEqual(digestsOf(artifact, loose));
    }));

  test('leaves a repository with a manifest that cannot be read, and reports it', () =>
    withDir(async (dir) => {
      await writeLayout(join(dir, 'repo'), [...needed, loose], [tagged(index, 'v1')]);
      await writeFile(join(dir, 'repo', 'blobs', ...one.manifest.descriptor.digest.split(':')), '{');
      const before = await blobsIn(dir);
      const { skipped } = await collectFolder(dir, now);
      expect(skipped).toEqual([
        { name: 'repo', message: expect.stringContaining(one.manifest.descriptor.digest) as unknown },
      ]);
      expect(await blobsIn(dir)).toEqual(before);
    }));

  test('frees the bytes of a shared file with its last repository', () =>
    withDir(async (dir) => {
      await withRegistry({ dir }, async (served) => {
        await served.putBlob('repo', loose);
        await served.send('POST', `/v2/other/blobs/uploads/?mount=${loose.descriptor.digest}&from=repo`);
      });
      const { removed } = await collectFolder(dir, now);
      expect(removed.map(({ name, bytes }) => [name, bytes])).toEqual([
        ['other', 0],
        ['repo', loose.descriptor.size],
      ]);
    }));

  test('runs at the start of a registry, and regularly', () =>
    withDir(async (dir) => {
      const names: string[] = [];
      await withRegistry({ dir }, async (served) => await pushAll(served));
      let removedTwice: () => void = () => undefined;
      const twice = new Promise<void>((resolve) => (removedTwice = resolve));
      const onRemoved = ({ name }: { readonly name: string }): void => {
        names.push(name);
        if (names.length === 2) removedTwice();
      };
      await withRegistry({ dir, gc: { ...now, interval: 20, onRemoved } }, async (served) => {
        while (names.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
        await served.putBlob('repo', blobOf('another'));
        await twice;
        expect((await served.get('/v2/repo/manifests/v1')).body).toEqual(index.bytes);
      });
    }));

  test(
    `loses nothing that a tag reaches while ${CLIENTS} clients push`,
    () =>
      withDir(async (dir) => {
        const tags = new Map<string, ManifestContent>();
        let collections = 0;
        const inTurn = new Limiter(1);
        const gc = { grace: 50, deleteUntagged: true, interval: isLong ? 1 : 5, onRemoved: () => (collections += 1) };
        await withRegistry({ dir, gc }, async (served) => {
          const client = async (number: number): Promise<void> => {
            for (let at = 0; at < 2; at += 1) {
              const tag = `t${number}`;
              const image = imageOf(`${number % 4}-${at}`);
              const list = indexOf([image.manifest.descriptor, imageOf(`${number}-${at}`).manifest.descriptor]);
              const push = async (): Promise<number> => {
                await served.putBlob('repo', blobOf(`abandoned ${number} ${at}`));
                for (const each of [image, imageOf(`${number}-${at}`)]) await putImage(served, 'repo', each);
                return (await served.putManifest('repo', list, tag)).status;
              };
              // As a client does, the whole image is pushed again if content has been removed before the tag was set. On
              // a busy machine, concurrent pushes may always exceed the grace time, so the later ones are sent in turn.
              for (let tries = 1; (await (tries > 3 ? inTurn.run(push) : push())) !== 201; tries += 1);
              tags.set(tag, list);
            }
          };
          await Promise.all(Array.from({ length: CLIENTS }, (_, number) => client(number)));
        });
        expect(collections).toBeGreaterThan(0);
        await withRegistry({ dir }, (served) => expectComplete(served, tags));
      }),
    120_000,
  );

  test(
    'by another process loses nothing that a tag reaches while clients push',
    () =>
      withDir(async (dir) => {
        const tags = new Map<string, ManifestContent>();
        let isPushing = true;
        await withRegistry({ dir }, async (served) => {
          const client = async (number: number): Promise<void> => {
            for (let at = 0; at < roundsOf(2, 8); at += 1) {
              const images = [imageOf(`${number % 4}-${at}`), imageOf(`${number}-${at}`)] as const;
              const list = indexOf(images.map(({ manifest }) => manifest.descriptor));
              for (let status = 0; status !== 201;) {
                for (const each of images)
                  await putImage(served, 'repo', each, `t${number}-${at}-${each === images[0]}`);
                ({ status } = await served.putManifest('repo', list, `t${number}`));
              }
              tags.set(`t${number}`, list);
            }
          };
          const collect = async (): Promise<void> => {
            while (isPushing) await collectFolder(dir, { grace: 0, deleteUntagged: true }).catch(() => undefined);
          };
          const pushes = Array.from({ length: roundsOf(8, 16) }, (_, number) => client(number));
          const collecting = collect();
          await Promise.all(pushes).finally(() => (isPushing = false));
          await collecting;
          await expectComplete(served, tags);
        });
      }),
    120_000,
  );
});

async function expectComplete(served: Served, tags: ReadonlyMap<string, ManifestContent>): Promise<void> {
  for (const [tag, { bytes }] of tags) {
    expect((await served.get(`/v2/repo/manifests/${tag}`)).body).toEqual(bytes);
    const { manifests } = JSON.parse(Buffer.from(bytes).toString()) as { manifests: { digest: string }[] };
    for (const { digest } of manifests) {
      const { body } = await served.get(`/v2/repo/manifests/${digest}`);
      const { config, layers } = JSON.parse(body.toString()) as {
        config: { digest: string };
        layers: { digest: string }[];
      };
      for (const blob of [config, ...layers]) {
        expect((await served.send('HEAD', `/v2/repo/blobs/${blob.digest}`)).status).toBe(200);
      }
    }
  }
}
