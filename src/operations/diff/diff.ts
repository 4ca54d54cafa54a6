import { MlistError } from '../../errors/errors.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import type { Digest } from '../../oci/digest.ts';
import { parseLocation } from '../../oci/location.ts';
import type { Index } from '../../oci/manifest.ts';
import { isIndexType, MediaType } from '../../oci/media-type.ts';
import { diffLists, isSameList, type ListDiff } from '../../oci/list-diff.ts';
import { readIndex } from '../../schema/documents.ts';
import { contentOf, lookup, type LookupResult, type ReadOptions } from '../lookup.ts';

/** One side of a comparison. Without a digest, the name does not exist. */
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
 * Compares a list with another one. For a draft, the default is the list that a push would replace.
 * @param name - the new list. Default: the current draft
 * @param against - the list to compare it with. Default: the list in the registry under the draft's name
 * @throws MlistError `ERR_MLIST_USAGE` if `against` is missing and `name` is not a draft
 */
export async function diff(
  name: string | undefined,
  against: string | undefined,
  options: ReadOptions,
): Promise<Compared> {
  const after = await lookup(name, options);
  if (against === undefined && after.from !== 'draft') {
    throw new MlistError('ERR_MLIST_USAGE', `${after.reference} is not a draft: name the list to compare it with`);
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

/** An empty list of the same format. It stands for a name that does not exist, so that every entry counts as added. */
function empty(found: LookupResult): Index {
  const isDocker = contentOf(found).descriptor.mediaType === MediaType.dockerList;
  return isDocker
    ? { schemaVersion: 2, mediaType: MediaType.dockerList, manifests: [] }
    : { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [] };
}

/** The list under a name. A single image counts as a list of itself. */
function listIn(found: LookupResult): Index {
  const { descriptor, bytes } = contentOf(found);
  if (isIndexType(descriptor.mediaType)) return readIndex(bytes, descriptor.mediaType, found.reference);
  return { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [descriptor] };
}
