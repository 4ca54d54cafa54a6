import { MlistError } from '../../errors/errors.ts';
import type { ContentOptions, ContentReader } from '../../store/store.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { isIndexType } from '../../oci/media-type.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import { readIndex } from '../../schema/documents.ts';
import { MAX_DEPTH } from '../../transfer/graph.ts';
import type { MissingState } from '../../transfer/missing-content.ts';

export interface FlatteningOptions extends ContentOptions {
  /** Receives the indexes that the source does not have. They stay entries of the list. */
  readonly missing: Map<Digest, MissingState>;
}

/**
 * Replaces nested indexes with their entries, recursively.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if an index contains itself, or is nested too deeply
 */
export async function flattenIndex(
  manifests: readonly Descriptor[],
  store: ContentReader,
  options: FlatteningOptions,
  above: readonly Digest[] = [],
): Promise<readonly Descriptor[]> {
  const parts = await Promise.all(
    manifests.map(async (entry) => {
      if (!isIndexType(entry.mediaType)) return [entry];
      const subject = `${store.location}@${entry.digest}`;
      if (above.includes(entry.digest) || above.length >= MAX_DEPTH) {
        throw new MlistError(
          'ERR_MLIST_DOCUMENT_INVALID',
          `${subject} contains itself, or is nested more than ${MAX_DEPTH} levels deep`,
          {
            reference: subject,
          },
        );
      }
      const read = await ignoreNotFound(store.fetchManifest(entry.digest, { signal: options.signal, expected: entry }));
      if (read === undefined) {
        options.missing.set(entry.digest, 'absent');
        return [entry];
      }
      const inner = readIndex(read.bytes, entry.mediaType, subject);
      return flattenIndex(inner.manifests, store, options, [...above, entry.digest]);
    }),
  );
  return parts.flat();
}
