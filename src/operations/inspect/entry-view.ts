import { isUnpushed, platformOf, sourceName, type Entry } from '../../draft/draft.ts';
import { attestedDigest, isAttestation, type Annotations, type Descriptor } from '../../oci/descriptor.ts';
import type { Platform } from '../../oci/platform/platform.ts';

/** Details from the manifest of an image or a nested list; absent members do not apply, or were not read. */
export interface ContentDetails {
  /** The total size of the image's config and layers in bytes, as stored (usually compressed). */
  readonly imageSize?: number;
  readonly config?: BlobView;
  readonly layers?: readonly BlobView[];
  /** The entries of a nested list. */
  readonly entries?: readonly EntryView[];
  readonly referrers?: readonly ReferrerView[];
  /** The reason if the content could not be read, for example that it is missing. */
  readonly fault?: string;
}

export interface BlobView {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  /** The predicate type of an in-toto statement, such as `https://slsa.dev/provenance/v1`. */
  readonly predicateType?: string;
}

export interface ReferrerView {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Annotations;
}

/** An entry of a list for display. */
export interface EntryView extends ContentDetails {
  /** The effective platform; undefined if the entry has none. */
  readonly platform?: Platform;
  /** The ID of an engine image that has no manifest yet. `mediaType`, `digest` and `size` are then undefined. */
  readonly image?: string;
  readonly mediaType?: string;
  readonly digest?: string;
  readonly size?: number;
  readonly source?: string;
  /** Whether the location has the entry and its content; undefined if that was not checked. */
  readonly available?: boolean;
  readonly annotations?: Annotations;
  readonly artifactType?: string;
  /** The names of the members that the author has set. */
  readonly set?: readonly string[];
  readonly attestations: readonly EntryView[];
}

/**
 * Converts an entry of a list for display.
 * @param drafted - the draft entry that the descriptor was encoded from; undefined if the list is not a draft
 */
export function viewOfEntry(entry: Descriptor, drafted: Entry | undefined): EntryView {
  const { platform, mediaType, digest, size, annotations, artifactType } = entry;
  const set = Object.keys(drafted?.set ?? {});
  const effective = drafted === undefined ? platform : platformOf(drafted);
  return {
    ...(effective === undefined ? {} : { platform: effective }),
    ...(drafted !== undefined && isUnpushed(drafted) ? { image: digest } : { mediaType, digest, size }),
    ...(drafted === undefined ? {} : { source: sourceName(drafted) }),
    ...(annotations === undefined ? {} : { annotations }),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(set.length === 0 ? {} : { set }),
    attestations: [],
  };
}

export interface ViewedEntry {
  readonly entry: Descriptor;
  readonly view: EntryView;
}

/** The maximum number of attestations that are shown below repeated images. */
const MAX_REPEATED = 100_000;

/**
 * Moves attestations below their images. Attestations whose image is not in the list stay where they are. If a list
 * contains an image several times, the attestations are repeated below each occurrence, up to a limit that only
 * malicious lists exceed.
 */
export function groupAttestations(all: readonly ViewedEntry[]): readonly EntryView[] {
  const isImage = ({ entry }: ViewedEntry) => !isAttestation(entry);
  const known = new Map<string, EntryView[]>(all.filter(isImage).map(({ entry }) => [entry.digest, []]));
  const others = all.filter((viewed) => {
    const group = isImage(viewed) ? undefined : known.get(attestedDigest(viewed.entry) ?? '');
    group?.push(viewed.view);
    return group === undefined;
  });
  const grouped = new Set<string>();
  let repeated = 0;
  return others.map((viewed) => {
    const { digest } = viewed.entry;
    const attestations = (isImage(viewed) ? known.get(digest) : undefined) ?? [];
    const isRepeated = grouped.has(digest);
    grouped.add(digest);
    if (isRepeated) repeated += attestations.length;
    return { ...viewed.view, attestations: isRepeated && repeated > MAX_REPEATED ? [] : attestations };
  });
}
