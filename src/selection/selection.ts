import { isIndexType, isManifestType } from '../oci/media-type.ts';
import { platformName, type RequestedPlatform, type Candidate, type CandidateList } from './candidates.ts';

/** The kind of reason for a selection. */
export type SelectionReason =
  /** The platform of the entry is the one that the client prefers. */
  | 'exact'
  /** The client accepts the platform of the entry, but prefers others. For example, it is an older variant. */
  | 'compatible'
  /** The client prefers this entry to others for the same platform, because it is marked as compressed with zstd. */
  | 'zstd'
  /** The entry has no platform, and no other entry matches. */
  | 'no-platform'
  /** It is the first entry for the os and architecture. */
  | 'first'
  /** The content is not a list. Clients pull a single image regardless of its platform. */
  | 'only'
  /** No entry matches. */
  | 'none'
  /** An entry matches, but the client fails to pull it. */
  | 'refused';

/** The result of a client's selection from a list. */
export interface Selection {
  /** The platforms that the client accepts, best first, in its own spelling. */
  readonly wants: readonly string[];
  /** The matching entries, best first. */
  readonly tries: readonly Candidate[];
  /** The selected image; absent if no image is pulled. */
  readonly selected?: Candidate;
  readonly why: SelectionReason;
  /** The reason as a phrase without a full stop. */
  readonly reason: string;
}

/** A client, or a range of its versions with the same selection rules. */
export interface Client {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  /**
   * The `id` of the newer version of this client. If both versions select the same image for the same kind of reason,
   * only the newer one is reported.
   */
  readonly olderThan?: string;
  readonly select: (list: CandidateList, requested: RequestedPlatform) => Selection;
}

export type Considered = Pick<Selection, 'wants' | 'tries'>;

export function noSelection({ wants, tries }: Considered): Selection {
  const reason = `no matching manifest for ${wants.join(' or ')}`;
  return { wants, tries, why: 'none', reason };
}

export function failedSelection(considered: Considered, entry: Candidate, failure: string): Selection {
  return { ...considered, why: 'refused', reason: `selects entry ${entry.place}, but cannot pull it: ${failure}` };
}

/** Returns the reason why an entry cannot be read as an image or an index, or undefined if it can be read. */
export function unreadableReason({ descriptor, entries, fault }: Candidate): string | undefined {
  if (fault !== undefined) return fault;
  if (isManifestType(descriptor.mediaType)) return undefined;
  if (!isIndexType(descriptor.mediaType)) return `${descriptor.mediaType} is not an image media type`;
  return entries === undefined ? 'the index is nested too deeply' : undefined;
}

/**
 * Returns the reason why a client that does not support nested indexes cannot pull an entry, or undefined if the
 * client can pull it.
 */
export function unpullableReason({ descriptor: { mediaType }, fault }: Candidate): string | undefined {
  if (fault !== undefined) return fault;
  if (isManifestType(mediaType)) return undefined;
  return isIndexType(mediaType) ? 'it is an index, not an image' : `${mediaType} is not an image media type`;
}

/**
 * Returns a note about other entries with the same rank, to be appended to a reason. Returns an empty string if no
 * other entry has the same rank.
 * @param equals - all entries with this rank, including `entry`
 */
export function tieNote(entry: Candidate, equals: readonly Candidate[]): string {
  if (equals.length < 2) return '';
  const { platform } = entry.descriptor;
  const which = platform === undefined ? 'without a platform' : `for ${platformName(platform)}`;
  return `, the first of ${equals.length} entries ${which}`;
}
