import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeArchive } from '../../src/store/archive/write-archive.ts';
import { openLayout } from '../../src/store/layout/open-layout.ts';
import type { ContentWriter } from '../../src/store/store.ts';
import { parseDigest } from '../../src/oci/digest.ts';
import { tarOf } from '../store/archive/tar-bytes.ts';
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

/** A tar file with the files of a folder. */
export async function tarOfFolder(dir: string): Promise<Buffer> {
  const files = await readdir(dir, { recursive: true, withFileTypes: true });
  const members = files
    .filter((file) => file.isFile())
    .map(async ({ parentPath, name }) => {
      const path = join(parentPath, name);
      return { name: path.slice(dir.length + 1), content: await readFile(path) };
    });
  return tarOf(...(await Promise.all(members)));
}

export interface SavedIndex {
  readonly index: Served;
  /** The images and nested indexes that are there. */
  readonly content: readonly (Image | Served)[];
  /** Annotations of the entry in index.json, for each of its names. */
  readonly annotations?: readonly Readonly<Record<string, string>>[];
  /** Digests of blobs that are missing although their image is there. */
  readonly without?: readonly string[];
}

/** Writes a layout as engines save it: an index with a part of its content. Does not use code of mlist. */
export async function writeSaved(
  dir: string,
  { index, content, annotations = [{}], without = [] }: SavedIndex,
): Promise<void> {
  const blobs = join(dir, 'blobs', 'sha256');
  await mkdir(blobs, { recursive: true });
  const own = content.flatMap((one) => [one.bytes, ...('blobs' in one ? one.blobs : [])]);
  const stored = [index.bytes, ...own].filter((bytes) => !without.includes(sha256(bytes)));
  await Promise.all(stored.map((bytes) => writeFile(join(blobs, sha256(bytes).slice('sha256:'.length)), bytes)));
  const { mediaType, digest, bytes } = index;
  const manifests = annotations.map((each) => ({ mediaType, digest, size: bytes.length, annotations: each }));
  await writeFile(join(dir, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
  await writeFile(join(dir, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
}

/** Like `writeSaved`, as an archive. */
export async function writeSavedArchive(path: string, saved: SavedIndex): Promise<void> {
  await writeSaved(`${path}.folder`, saved);
  await writeFile(path, await tarOfFolder(`${path}.folder`));
}
