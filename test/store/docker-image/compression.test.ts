import { gunzipSync } from 'node:zlib';
import * as zlib from 'node:zlib';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { Spool } from '../../../src/fs/spool.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import { MediaType } from '../../../src/oci/media-type.ts';
import { deflater, nodeDeflate, pakoDeflate, selfTestResult } from '../../../src/store/docker-image/deflate.ts';
import { deriveImage, type StoredImage } from '../../../src/store/docker-image/derive-image.ts';
import { blocksOf, gzipBlocks } from '../../../src/store/docker-image/gzip-blocks.ts';
import { LayerCompressor } from '../../../src/store/docker-image/layer-compressor.ts';
import { LayerRecords } from '../../../src/store/docker-image/layer-records.ts';
import { layerTypes, type LayerCompression } from '../../../src/store/docker-image/layer-compression.ts';
import { bytesOf, withFolder } from '../samples.ts';

const MiB = 1024 * 1024;

/** Text that compresses, the same in each run. */
const text = Buffer.alloc(6 * MiB);
// A global is slow to access in Jest.
const { imul } = Math;
for (let at = 0, state = 7; at < text.length; at += 1) {
  state = (imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  text[at] = at % 7 < 3 ? 32 + (at % 5) : 97 + ((state >>> 24) % 9);
}
const sample = (length: number): Buffer => text.subarray(0, length);

async function* chunked(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
}

describe('gzip in blocks', () => {
  test.each<[string, number]>([
    ['an empty layer', 0],
    ['one byte', 1],
    ['less than a block', 1000],
    ['exactly one block', MiB],
    ['exactly two blocks', 2 * MiB],
    ['more blocks than are compressed at the same time', 5 * MiB + 12_345],
  ])('%s is one gzip member, whatever the size of the chunks', async (_, length) => {
    const bytes = sample(length);
    const whole = await bytesOf(gzipBlocks(chunked(bytes, 300_000), nodeDeflate));
    expect(gunzipSync(whole).equals(bytes)).toBe(true);
    const other = await bytesOf(gzipBlocks(chunked(bytes, 4 * MiB + 1), nodeDeflate));
    expect(digestOf(other)).toBe(digestOf(whole));
  });

  test('the bytes of a release never change', async () => {
    const compressed = await bytesOf(gzipBlocks(chunked(sample(3 * MiB + 77), 64 * 1024), await deflater()));
    expect(digestOf(compressed)).toBe('sha256:8cdc7a16a885b59cee1d0ac34960a4487b7810169b6d8e686a63b5c082a4d9d2');
  });

  test('an error of the source ends the stream, and no block is still being compressed', async () => {
    const failing = async function* (): AsyncGenerator<Uint8Array> {
      yield* chunked(sample(2 * MiB), MiB);
      throw new Error('the source failed');
    };
    await expect(bytesOf(gzipBlocks(failing(), nodeDeflate))).rejects.toThrow('the source failed');
  });

  test('blocks have 1 MiB, apart from the last', async () => {
    const sizes: number[] = [];
    for await (const block of blocksOf(chunked(sample(2 * MiB + 5), 700_001))) sizes.push(block.length);
    expect(sizes).toEqual([MiB, MiB, 5]);
  });
});

describe('the self-test', () => {
  test('pako has the same result as the zlib of this Node, unless that is another one', async () => {
    const [node, pako] = await Promise.all([selfTestResult(nodeDeflate), selfTestResult(pakoDeflate)]);
    expect(await selfTestResult(await deflater())).toBe(pako);
    const isOfficial = !process.config.variables.node_shared_zlib;
    if (isOfficial) expect(node).toBe(pako);
  });

  test('pako compresses blocks to the same bytes', async () => {
    const bytes = sample(MiB + 3);
    const [node, pako] = await Promise.all([
      bytesOf(gzipBlocks(chunked(bytes, MiB), await deflater())),
      bytesOf(gzipBlocks(chunked(bytes, MiB), pakoDeflate)),
    ]);
    expect(digestOf(pako)).toBe(digestOf(node));
  });
});

const layers = [sample(70_000), sample(5000)];
/** The first layer has two blocks. */
const largeLayers = [sample(1_200_000), sample(5000)];

function configOf(diffIds: readonly string[]): Buffer {
  return Buffer.from(
    JSON.stringify({ architecture: 'arm64', os: 'linux', rootfs: { type: 'layers', diff_ids: diffIds } }),
  );
}

/** An image whose layers count how often they are read. */
function image(
  contents: readonly Uint8Array[] = layers,
  diffIds = contents.map(digestOf),
): StoredImage & { opened: number } {
  const stored = {
    location: 'test:image',
    opened: 0,
    config: configOf(diffIds),
    layers: contents.map((bytes, at) => ({
      size: bytes.length,
      diffId: diffIds[at],
      open: () => {
        stored.opened += 1;
        return chunked(bytes, 100_000);
      },
    })),
  };
  return stored;
}

async function withCompressor<T>(
  work: (compressor: LayerCompressor, folder: string) => Promise<T>,
  { maxBytes, workspace }: { readonly maxBytes?: number; readonly workspace?: string } = {},
): Promise<T> {
  return withFolder(async (folder) => {
    const spool = new Spool({ folder, maxBytes });
    try {
      return await work(new LayerCompressor({ spool, records: new LayerRecords(workspace) }), folder);
    } finally {
      await spool.close();
    }
  });
}

interface Document {
  readonly layers: readonly { readonly mediaType: string; readonly digest: string; readonly size: number }[];
}

function documentOf({ content }: Awaited<ReturnType<typeof deriveImage>>): Document {
  return JSON.parse(Buffer.from(content.bytes).toString()) as Document;
}

describe('an image without a manifest', () => {
  test('gets one with gzip layers, whose digest is pinned', () =>
    withCompressor(async (compressor) => {
      const derived = await deriveImage(image(largeLayers), { compression: 'gzip', compressor });
      expect(derived.content.descriptor).toMatchObject({
        mediaType: MediaType.ociManifest,
        digest: 'sha256:e689f34a5bd5a8b3ef2d6e472d4f90c6771243a8e33d4c0f0159f88a9b287638',
      });
      for (const [at, layer] of documentOf(derived).layers.entries()) {
        expect(layer.mediaType).toBe(layerTypes.gzip);
        const read = await bytesOf(derived.read(layer as never)!);
        expect(digestOf(read)).toBe(layer.digest);
        expect(gunzipSync(read).equals(largeLayers[at]!)).toBe(true);
      }
    }));

  test('keeps its layers without compression', () =>
    withCompressor(async (compressor, folder) => {
      const derived = await deriveImage(image(), { compression: 'none', compressor });
      expect(documentOf(derived).layers).toEqual(
        layers.map((bytes) => ({ mediaType: layerTypes.none, digest: digestOf(bytes), size: bytes.length })),
      );
      expect(await readdir(folder)).toEqual([]);
    }));

  const { zstdDecompressSync } = zlib as { readonly zstdDecompressSync?: (bytes: Uint8Array) => Buffer };
  (zstdDecompressSync === undefined ? test.skip : test)('with zstd layers', () =>
    withCompressor(async (compressor) => {
      const derived = await deriveImage(image(), { compression: 'zstd', compressor });
      const [layer] = documentOf(derived).layers;
      expect(layer?.mediaType).toBe(layerTypes.zstd);
      expect(zstdDecompressSync?.(await bytesOf(derived.read(layer as never)!)).equals(layers[0]!)).toBe(true);
    }),
  );
  (zstdDecompressSync === undefined ? test : test.skip)('zstd is refused with the version of Node that it needs', () =>
    withCompressor(async (compressor) => {
      const deriving = deriveImage(image(), { compression: 'zstd', compressor });
      await expect(deriving).rejects.toMatchObject({ code: 'ERR_MLIST_USAGE' });
      await expect(deriving).rejects.toThrow(/needs Node 22.15 or newer/);
    }),
  );

  test('a layer that two images share is compressed once', () =>
    withCompressor(async (compressor) => {
      const [one, other] = [image(), image([layers[0]!, sample(9)])];
      await Promise.all([one, other].map((each) => deriveImage(each, { compression: 'gzip', compressor })));
      expect(one.opened + other.opened).toBe(3);
    }));

  test('a compressed or foreign layer keeps its descriptor', () =>
    withCompressor(async (compressor) => {
      const bytes = Buffer.from('compressed elsewhere');
      const descriptor = { mediaType: layerTypes.gzip, digest: digestOf(bytes), size: bytes.length };
      const foreign = {
        mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
        digest: digestOf(Buffer.from('foreign')),
        size: 7,
        urls: ['https://example.com/layer'],
      };
      const stored = image([bytes, bytes]);
      const [first] = stored.layers;
      const mixed = { ...stored, layers: [{ ...first!, descriptor }, { descriptor: foreign }] } as StoredImage;
      const derived = await deriveImage(mixed, { compression: 'gzip', compressor });
      expect(documentOf(derived).layers).toEqual([descriptor, foreign]);
      expect(await bytesOf(derived.read(descriptor)!)).toEqual(bytes);
      expect(derived.read(foreign)).toBeUndefined();
    }));
});

describe('refuses', () => {
  test.each<LayerCompression>(['gzip', 'none'])(
    'a layer with another diff id than in the config, with %s',
    (compression) =>
      withCompressor(async (compressor) => {
        const other = image(layers, [digestOf(Buffer.from('other')), digestOf(layers[1]!)]);
        const deriving = deriveImage(other, { compression, compressor }).then((derived) =>
          bytesOf(derived.read(documentOf(derived).layers[0] as never)!),
        );
        await expect(deriving).rejects.toMatchObject({ code: 'ERR_MLIST_CONTENT_MISMATCH' });
      }),
  );

  test('more than the limit of the spool', () =>
    withCompressor(
      async (compressor, folder) => {
        const deriving = deriveImage(image(), { compression: 'gzip', compressor });
        await expect(deriving).rejects.toMatchObject({ code: 'ERR_MLIST_FILE' });
        await expect(deriving).rejects.toThrow(folder);
      },
      { maxBytes: 1000 },
    ));

  test('a wrong size for a layer', () =>
    withCompressor(async (compressor) => {
      const derived = await deriveImage(image(), { compression: 'gzip', compressor });
      const [layer] = documentOf(derived).layers;
      expect(() => derived.read({ ...layer!, size: 5 } as never)).toThrow(/is damaged: it has \d+ bytes, not 5/);
    }));

  test('an interrupted compression', () =>
    withCompressor(async (compressor) => {
      const controller = new AbortController();
      controller.abort(new Error('interrupted'));
      const deriving = deriveImage(image(), { compression: 'gzip', compressor, signal: controller.signal });
      await expect(deriving).rejects.toThrow('interrupted');
    }));
});

describe('records of the workspace', () => {
  const derive = (stored: StoredImage, compressor: LayerCompressor) =>
    deriveImage(stored, { compression: 'gzip', compressor });

  test('a layer that was compressed before is only read if it is pushed', () =>
    withFolder(async (workspace) => {
      const first = await withCompressor((compressor) => derive(image(), compressor), { workspace });
      await withCompressor(
        async (compressor, folder) => {
          const again = image();
          const derived = await derive(again, compressor);
          expect(derived.content).toEqual(first.content);
          expect(again.opened).toBe(0);
          const [layer] = documentOf(derived).layers;
          expect(digestOf(await bytesOf(derived.read(layer as never)!))).toBe(layer?.digest);
          expect(again.opened).toBe(1);
          expect(await readdir(folder)).toEqual([]);
        },
        { workspace },
      );
    }));

  test.each<[string, string]>([
    ['not JSON', '{'],
    ['an invalid digest', '{"digest":"sha256:xyz","size":5}'],
    ['an invalid size', `{"digest":"${digestOf(layers[0]!)}","size":-1}`],
    ['too large', ' '.repeat(2000)],
  ])('a damaged record is ignored: %s', (_, text) =>
    withFolder(async (workspace) => {
      const first = await withCompressor((compressor) => derive(image(), compressor), { workspace });
      const folder = join(workspace, 'layers');
      for (const name of await readdir(folder)) await writeFile(join(folder, name), text);
      const second = await withCompressor((compressor) => derive(image(), compressor), { workspace });
      expect(second.content).toEqual(first.content);
    }),
  );

  test('a wrong record never changes what is pushed', () =>
    withFolder(async (workspace) => {
      await withCompressor((compressor) => derive(image(), compressor), { workspace });
      const folder = join(workspace, 'layers');
      const wrong = JSON.stringify({ digest: digestOf(Buffer.from('x')), size: 1 });
      for (const name of await readdir(folder)) await writeFile(join(folder, name), wrong);
      await withCompressor(
        async (compressor) => {
          const derived = await derive(image(), compressor);
          const read = bytesOf(derived.read(documentOf(derived).layers[0] as never)!);
          await expect(read).rejects.toMatchObject({ code: 'ERR_MLIST_CONTENT_MISMATCH' });
        },
        { workspace },
      );
    }));

  test('are pruned by age', () =>
    withFolder(async (workspace) => {
      await withCompressor((compressor) => derive(image(), compressor), { workspace });
      const records = new LayerRecords(workspace);
      expect(await records.prune(60_000)).toBe(0);
      expect(await records.prune(-1)).toBe(2);
      expect(await readdir(join(workspace, 'layers'))).toEqual([]);
    }));
});
