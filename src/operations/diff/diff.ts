import { MlistError } from '../../errors/errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { parseLocation } from '../../oci/location.ts';
import type { Index } from '../../oci/manifest.ts';
import { isIndexType, MediaType } from '../../oci/media-type.ts';
import { diffLists, isSameList, type ListDiff } from '../../oci/list-diff.ts';
import { readIndex } from '../../schema/documents.ts';
import { contentOf, lookup, type LookupResult, type ReadOptions } from '../lookup.ts';

/** One side of a comparison; without a digest there is nothing under that name. */
export interface DiffSide {
  readonly from: LookupResult['from'];
  readonly reference: string;
  readonly digest?: Digest;
}

export interface Compared extends ListDiff {
  readonly before: DiffSide;
  readonly after: DiffSide;
  /** same: the same bytes. equal: other bytes that say the same. */
  readonly verdict: 'same' | 'equal' | 'different';
}

/**
 * What would change under a name if it became the list: of a draft, and by default what a push of it would change.
 * @param name - the list as it would be; undefined is the current draft
 * @param against - what it is compared with; undefined is what lies in the registry under the name of the draft
 */
export async function diff(
  name: string | undefined,
  against: string | undefined,
  options: ReadOptions,
): Promise<Compared> {
  const after = await lookup(name, options);
  if (against === undefined && after.from !== 'draft') {
    throw new MlistError('ERR_MLIST_USAGE', `${after.reference} is no draft: name what it is to be compared with`);
  }
  const before = await findIfThere(against ?? `docker://${after.reference}`, options);
  const old = before === undefined ? empty(after) : listIn(before);
  const changes = diffLists(old, listIn(after));
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

/** Nothing under the name is an empty list of the same kind: everything is added. */
function empty(found: LookupResult): Index {
  const isDocker = contentOf(found).descriptor.mediaType === MediaType.dockerList;
  return isDocker
    ? { schemaVersion: 2, mediaType: MediaType.dockerList, manifests: [] }
    : { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [] };
}

async function findIfThere(name: string, options: ReadOptions): Promise<LookupResult | undefined> {
  try {
    return await lookup(name, options);
  } catch (thrown) {
    if (thrown instanceof MlistError && thrown.code === 'ERR_MLIST_NOT_FOUND') return undefined;
    throw thrown;
  }
}

/** A single image counts as a list of itself, so that what replaces it can be seen. */
function listIn(found: LookupResult): Index {
  const { descriptor, bytes } = contentOf(found);
  if (isIndexType(descriptor.mediaType)) return readIndex(bytes, descriptor.mediaType, found.reference);
  return { schemaVersion: 2, mediaType: MediaType.ociIndex, manifests: [descriptor] };
}
