import { MlistError } from '../errors.ts';
import type { ContentOptions, ContentSource } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { isIndexType } from '../oci/media-type.ts';
import { readIndex } from '../schema/document.ts';

/** Deeper than any list that somebody made on purpose. */
const MAX_DEPTH = 8;

/**
 * The entries of an index with those of indexes inside it in their places, all the way down.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` where an index is listed inside itself, or too deep
 */
export async function flattened(
  manifests: readonly Descriptor[],
  home: ContentSource,
  options: ContentOptions,
  above: readonly Digest[] = [],
): Promise<readonly Descriptor[]> {
  const parts = await Promise.all(
    manifests.map(async (entry) => {
      if (!isIndexType(entry.mediaType)) return [entry];
      const subject = `${home.location}@${entry.digest}`;
      if (above.includes(entry.digest) || above.length >= MAX_DEPTH) {
        throw new MlistError('ERR_MLIST_DOCUMENT_INVALID', `${subject} is listed inside itself, or too deep`, {
          reference: subject,
        });
      }
      const { bytes } = await home.fetchManifest(entry.digest, { ...options, expected: entry });
      const inner = readIndex(bytes, entry.mediaType, subject);
      return flattened(inner.manifests, home, options, [...above, entry.digest]);
    }),
  );
  return parts.flat();
}
