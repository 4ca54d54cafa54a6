import { isIndexType, isManifestType } from '../oci/media-type.ts';
import { platformName, type RequestedPlatform, type Candidate, type CandidateList } from './candidates.ts';

/** Why a client selects an entry, or none. */
export type SelectionReason =
  /** The platform is the preferred one. */
  | 'exact'
  /** The platform is a less preferred one, such as an older variant. */
  | 'compatible'
  /** Of several entries for a platform, this one is marked as compressed with zstd. */
  | 'zstd'
  /** The entry has no platform, and no other entry matches. */
  | 'no-platform'
  /** It is the first entry for the os and architecture. */
  | 'first'
  /** The content is not a list: the single image is pulled whatever its platform is. */
  | 'only'
  /** No entry matches. */
  | 'none'
  /** An entry matches, but the client fails to pull it. */
  | 'refused';

/** The result of a client's selection from a list. */
export interface Selection {
  /** The platforms that the client accepts, best first, in its own spelling. */
  readonly wants: readonly string[];
  /** The matching entries, in the order of preference. */
  readonly tries: readonly Candidate[];
  /** The selected image; absent if no image is pulled. */
  readonly selected?: Candidate;
  readonly why: SelectionReason;
  /** The reason as a phrase without a full stop. */
  readonly reason: string;
}

/** A client with the versions that its rules apply to. */
export interface Client {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  /** Id of the newer version of this client. The older version is reported only if its selection differs. */
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

/** Why an entry cannot be read as an image or an index; undefined if it can. */
export function unreadableReason({ descriptor, entries, fault }: Candidate): string | undefined {
  if (fault !== undefined) return fault;
  if (isManifestType(descriptor.mediaType)) return undefined;
  if (!isIndexType(descriptor.mediaType)) return `${descriptor.mediaType} is not an image`;
  return entries === undefined ? 'it is an index too deep in others' : undefined;
}

/** Why a client that does not pull nested indexes cannot pull an entry; undefined if it can. */
export function unpullableReason({ descriptor: { mediaType }, fault }: Candidate): string | undefined {
  if (fault !== undefined) return fault;
  if (isManifestType(mediaType)) return undefined;
  return isIndexType(mediaType) ? 'it is an index, not an image' : `${mediaType} is not an image`;
}

/**
 * Returns a note about other entries with the same rank, which is appended to a reason; empty if no other entry has it.
 */
export function tieNote(entry: Candidate, equals: readonly Candidate[]): string {
  if (equals.length < 2) return '';
  return `, the first of ${equals.length} entries for ${platformName(entry.descriptor.platform)}`;
}
