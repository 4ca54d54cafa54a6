import { isUnpushed, platformOf, sourceName, type Entry } from '../../draft/draft.ts';
import { attestedDigest, isAttestation, type Annotations, type Descriptor } from '../../oci/descriptor.ts';
import type { Platform } from '../../oci/platform/platform.ts';

/** Details from the manifest of an image or a nested list; absent members were not read. */
export interface ContentDetails {
  /** The size of the image's config and layers in bytes, as they are stored: compressed. */
  readonly imageSize?: number;
  readonly config?: BlobView;
  readonly layers?: readonly BlobView[];
  /** The entries of a nested list. */
  readonly entries?: readonly EntryView[];
  readonly referrers?: readonly ReferrerView[];
  /** Why the content could not be read. */
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
  /** The effective platform; undefined if the entry states none. */
  readonly platform?: Platform;
  /** The ID of an image of an engine that has no manifest yet. */
  readonly image?: string;
  /** This member, `digest` and `size` are undefined if the image has no manifest yet. */
  readonly mediaType?: string;
  readonly digest?: string;
  readonly size?: number;
  readonly source?: string;
  /** Whether the location has the entry with its content; undefined if that was not checked. */
  readonly available?: boolean;
  readonly annotations?: Annotations;
  readonly artifactType?: string;
  /** Members that the author has set. */
  readonly set?: readonly string[];
  readonly attestations: readonly EntryView[];
}

/**
 * Converts an entry of a list for display.
 * @param drafted - the entry of the draft that the descriptor was encoded from; undefined for other lists
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

/** The maximum number of attestations below images that the list has several times. */
const MAX_REPEATED = 100_000;

/**
 * Moves attestations below their image. Those whose image is not in the list stay where they are. A list may
 * have an image any number of times, each with all of its attestations: if these are too many, which happens only in
 * malicious lists, only the first one gets them.
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
