import { isIndexType, isManifestType } from '../oci/media-type.ts';
import { platformName, type RequestedPlatform, type Candidate, type CandidateList } from './candidates.ts';

/** Why a client picks an entry, or none. */
export type SelectionReason =
  /** The platform that it wants most. */
  | 'exact'
  /** A platform that it wants less, such as an older variant. */
  | 'compatible'
  /** The one marked as compressed with zstd, of several for a platform. */
  | 'zstd'
  /** Nothing else fits, and the entry states no platform. */
  | 'no-platform'
  /** The first entry for the os and the architecture. */
  | 'first'
  /** It is no list: the one image is taken, whatever it is for. */
  | 'only'
  /** No entry fits. */
  | 'none'
  /** An entry fits, but the client ends with an error when it opens it. */
  | 'refused';

/** What a client does with a list. */
export interface Selection {
  /** The platforms that it looks for, best first, as it writes them. */
  readonly wants: readonly string[];
  /** The entries that it takes into account, in the order in which it would take them. */
  readonly tries: readonly Candidate[];
  /** The image that it ends with. */
  readonly picked?: Candidate;
  readonly why: SelectionReason;
  /** One sentence without an end. */
  readonly reason: string;
}

/** A kind of client, and the version whose rules these are. */
export interface Client {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  /** An older version of this client: of interest where the two do not end alike. */
  readonly olderThan?: string;
  readonly select: (list: CandidateList, asked: RequestedPlatform) => Selection;
}

export type Considered = Pick<Selection, 'wants' | 'tries'>;

export function noSelection({ wants, tries }: Considered): Selection {
  const reason = `no entry is for ${wants.length > 1 ? 'any of ' : ''}${wants.join(', ')}`;
  return { wants, tries, why: 'none', reason };
}

export function failedSelection(considered: Considered, entry: Candidate, because: string): Selection {
  return { ...considered, why: 'refused', reason: `takes entry ${entry.place} and ends with an error: ${because}` };
}

/** Why an entry cannot be opened as an image or an index; undefined where it can. */
export function unreadableReason({ descriptor, entries, fault }: Candidate): string | undefined {
  if (fault !== undefined) return fault;
  if (isManifestType(descriptor.mediaType)) return undefined;
  if (!isIndexType(descriptor.mediaType)) return `${descriptor.mediaType} is no image`;
  return entries === undefined ? 'it is an index too deep in others' : undefined;
}

/** How the first of several for one platform came to be the first. */
export function tieNote(entry: Candidate, equals: readonly Candidate[]): string {
  return equals.length < 2 ? '' : `, the first of ${equals.length} in the list for ${nameOf(entry)}`;
}

function nameOf({ descriptor }: Candidate): string {
  return platformName(descriptor.platform);
}
