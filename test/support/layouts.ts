import { writeArchive } from '../../src/store/archive/write-archive.ts';
import { openLayout } from '../../src/store/layout/open-layout.ts';
import type { ContentWriter } from '../../src/store/store.ts';
import { parseDigest } from '../../src/oci/digest.ts';
import { sha256, type Image, type Served } from './images.ts';

/** Writes images of `makeImage` to layouts and archives. */

export async function putImage(target: ContentWriter, image: Image, name?: string): Promise<void> {
  for (const blob of image.blobs) {
    const digest = parseDigest(sha256(blob));
    await target.putBlob({ mediaType: 'application/octet-stream', digest, size: blob.length }, () => once(blob));
  }
  await putDocument(target, image, name);
}

export async function putDocument(target: ContentWriter, served: Served, name?: string): Promise<void> {
  const { mediaType, bytes } = served;
  const digest = parseDigest(served.digest);
  await target.putManifest({ descriptor: { mediaType, digest, size: bytes.length }, bytes }, name ?? digest);
}

export async function putInLayout(dir: string, image: Image, name?: string): Promise<void> {
  await putImage(await openLayout(dir, { create: true }), image, name);
}

export async function putInArchive(path: string, image: Image, name?: string): Promise<void> {
  await writeArchive(path, {}, (target) => putImage(target, image, name));
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}
