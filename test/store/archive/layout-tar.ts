import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ManifestContent } from '../../../src/store/store.ts';
import { MediaType } from '../../../src/oci/media-type.ts';
import { withFolder, type Image } from '../samples.ts';
import { tarOf, type Member } from './tar-bytes.ts';

/** Builds OCI archives without the writer of mlist. */

export const refName = 'org.opencontainers.image.ref.name';
export const imageName = 'io.containerd.image.name';

export const header: Member = { name: 'oci-layout', content: '{"imageLayoutVersion":"1.0.0"}' };

export function blobMember({ descriptor, bytes }: ManifestContent): Member {
  return { name: `blobs/${descriptor.digest.replace(':', '/')}`, content: bytes };
}

export function indexMember(entries: readonly object[]): Member {
  return {
    name: 'index.json',
    content: JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: entries }),
  };
}

export function membersOf(image: Image): readonly Member[] {
  return [image.config, ...image.layers, image.manifest].map(blobMember);
}

export function entryFor({ descriptor }: ManifestContent, annotations?: Readonly<Record<string, string>>): object {
  return { ...descriptor, ...(annotations === undefined ? {} : { annotations }) };
}

/** Runs the work with the path of an archive with these members. */
export function withTar<T>(members: readonly Member[], work: (path: string, folder: string) => Promise<T>): Promise<T> {
  return withFolder(async (folder) => {
    const path = join(folder, 'some.tar');
    await writeFile(path, tarOf(...members));
    return await work(path, folder);
  });
}
