import { MlistError } from '../../errors/errors.ts';
import type { ManifestContent } from '../store.ts';
import { childrenIn, readDocument } from '../../oci/children.ts';
import { isManifestType } from '../../oci/media-type.ts';
import type { ArchivedImage } from '../../schema/docker-documents.ts';
import type { OciArchive } from './oci-archive.ts';
import { blobName } from './tar/tar-blobs.ts';

/**
 * Finds the manifest of an image in a docker archive that is also a layout, so that the image has the same digest as in
 * the engine. Returns undefined if no manifest has exactly the config and the layers of the image. Other manifests are
 * ignored, because docker 25.0.0 wrote manifests without layers or with layers in a wrong order (moby issues 47065 and
 * 47150).
 */
export async function embeddedManifest(layout: OciArchive, image: ArchivedImage): Promise<ManifestContent | undefined> {
  const expected = [image.config, ...image.layers];
  for (const descriptor of await layout.manifests()) {
    if (!isManifestType(descriptor.mediaType)) continue;
    const content = await readIfIntact(() => layout.fetchManifest(descriptor.digest));
    if (content === undefined) continue;
    const files = await readIfIntact(() => Promise.resolve(filesOf(content)));
    const isSame = files?.length === expected.length && files.every((name, at) => name === expected[at]);
    if (isSame) return content;
  }
  return undefined;
}

function filesOf({ bytes, descriptor }: ManifestContent): readonly string[] {
  return childrenIn(readDocument(bytes), descriptor.mediaType).blobs.map(({ digest }) => blobName(digest));
}

/**
 * Returns the result of `read`, or undefined if the content is missing or damaged, because engines also save incomplete
 * indexes.
 */
async function readIfIntact<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof MlistError && error.code !== 'ERR_MLIST_FILE') return undefined;
    throw error;
  }
}
