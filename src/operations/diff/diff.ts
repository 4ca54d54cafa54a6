import { MlistError } from '../../errors/errors.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import type { Digest } from '../../oci/digest.ts';
import { parseLocation } from '../../oci/location.ts';
import type { Index } from '../../oci/manifest.ts';
import { isIndexType, MediaType } from '../../oci/media-type.ts';
import { diffLists, isSameList, type ListDiff } from '../../oci/list-diff.ts';
import { readIndex } from '../../schema/documents.ts';
import { contentOf, lookup, type LookupResult, type ReadOptions } from '../lookup.ts';

/** One side of a comparison. `digest` is absent if the list does not exist. */
export interface DiffSide {
  readonly from: LookupResult['from'];
  readonly reference: string;
  readonly digest?: Digest;
}

export interface Compared extends ListDiff {
  readonly before: DiffSide;
  readonly after: DiffSide;
  /** `same`: the bytes are equal. `equal`: the content is equal, but encoded differently. */
  readonly verdict: 'same' | 'equal' | 'different';
}

/**
 * Compares a new list with an old one. By default, compares a draft with the list that its push would replace.
 * @param name - the new list. Default: the current draft
 * @param against - the old list. Default, only for drafts: the list in the registry under the draft's name
 * @throws MlistError `ERR_MLIST_USAGE` if `against` is undefined and `name` is not a draft
 */
export async function diff(
  name: string | undefined,
  against: string | undefined,
  options: ReadOptions,
): Promise<Compared> {
  const after = await lookup(name, options);
  if (against === undefined && after.from !== 'draft') {
    throw new MlistError('ERR_MLIST_USAGE', `missing second list: ${after.reference} is not a draft`, {
      hint:
        'Specify two lists. A single argument must be a draft, ' +
        'which is compared with the list of that name in the registry.',
    });
  }
  const before = await ignoreNotFound(lookup(against ?? `docker://${after.reference}`, options));
  const previous = before === undefined ? empty(after) : listIn(before);
  const changes = diffLists(previous, listIn(after));
  const sides = {
    before: before === undefined ? absent(against ?? after.reference) : side(before),
    after: side(after),
  };
  const isSameBytes = sides.before.digest === sides.after.digest;
  return {
    ...changes,
    ...sides,
    verdict: isSameBytes ? 'same' : before !== undefined && isSameList(changes) ? 'equal' : 'different',
  };
}

function side(found: LookupResult): DiffSide {
  return { from: found.from, reference: found.reference, digest: contentOf(found).descriptor.digest };
}

function absent(name: string): DiffSide {
  const location = parseLocation(name);
  return { from: 'registry', reference: location.kind === 'registry' ? name.replace(/^docker:\/\//, '') : name };
}

/**
 * Returns an empty list in the format of the new list. It stands for an old list that does not exist, so all entries
 * are reported as added.
 */
function empty(found: LookupResult): Index {
  const isDocker = contentOf(found).descriptor.mediaType === MediaType.dockerList;
  return isDocker
    ? { schemaVersion: 2, mediaType: MediaType.dockerList, manifests: [] }
    : { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [] };
}

/** Returns the list that was found. A single image is treated as a list with that image as its only entry. */
function listIn(found: LookupResult): Index {
  const { descriptor, bytes } = contentOf(found);
  if (isIndexType(descriptor.mediaType)) return readIndex(bytes, descriptor.mediaType, found.reference);
  return { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [descriptor] };
}
