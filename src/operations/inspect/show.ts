import { isUnpushed, platformOf, sourceName } from '../../draft/draft.ts';
import { formatProblems } from '../../draft/draft-rules.ts';
import { attestedDigest, isAttestation, type Annotations, type Descriptor } from '../../oci/descriptor.ts';
import { isIndexType, MediaType } from '../../oci/media-type.ts';
import type { Platform } from '../../oci/platform/platform.ts';
import { readIndex } from '../../schema/documents.ts';
import { readCandidates } from '../read-candidates.ts';
import { encodedContentOf, lookup, mirrorIn, type LookupResult, type ReadOptions } from '../lookup.ts';
import { reportWarnings } from '../warnings.ts';
import { availabilityOf } from './availability.ts';

/** A list for display: images with their attestations. */
export interface ListView {
  readonly from: LookupResult['from'];
  readonly reference: string;
  /** The mirror that has resolved the tag, unless the registry has confirmed it. */
  readonly mirror?: string;
  readonly mediaType: string;
  /** Undefined if an image of a draft has no manifest yet, so that it is known only after the push. */
  readonly digest?: string;
  readonly size?: number;
  readonly annotations?: Annotations;
  readonly artifactType?: string;
  readonly subject?: string;
  /** The platform that the config of a single image states. */
  readonly platform?: Platform;
  /** Empty for a single image. */
  readonly entries: readonly EntryView[];
}

export interface EntryView {
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

/** Reads a list or an image for display. The config of an image is read, too, since it states the platform. */
export async function show(name: string | undefined, options: ReadOptions): Promise<ListView> {
  const found = await lookup(name, { ...options, allowsUnpushed: true });
  const { descriptor, bytes } = encodedContentOf(found);
  if (found.from === 'draft') reportWarnings(formatProblems(found.draft), options.onEvent);
  const { mediaType, digest, size } = descriptor;
  const isKnown = found.from !== 'draft' || !found.draft.entries.some(isUnpushed);
  const facts = {
    from: found.from,
    reference: found.reference,
    ...mirrorIn(found),
    mediaType,
    ...(isKnown ? { digest, size } : {}),
  };
  if (!isIndexType(mediaType)) {
    const { entries } = await readCandidates(found, options);
    const platform = entries[0]?.stated;
    return { ...facts, ...(platform === undefined ? {} : { platform }), entries: [] };
  }
  const list = readIndex(bytes, mediaType, found.reference);
  const availability = await availabilityOf(found, options);
  const { annotations, artifactType, subject } = list.mediaType === MediaType.ociIndex ? list : {};
  return {
    ...facts,
    ...(annotations === undefined ? {} : { annotations }),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(subject === undefined ? {} : { subject: subject.digest }),
    entries: grouped(
      list.manifests.map((entry, at) => ({ entry, view: viewOf(entry, found, at, availability?.[at]?.available) })),
    ),
  };
}

function viewOf(entry: Descriptor, found: LookupResult, at: number, available: boolean | undefined): EntryView {
  const { platform, mediaType, digest, size, annotations, artifactType } = entry;
  const drafted = found.from === 'draft' ? found.draft.entries[at] : undefined;
  const set = Object.keys(drafted?.set ?? {});
  const effective = drafted === undefined ? platform : platformOf(drafted);
  return {
    ...(effective === undefined ? {} : { platform: effective }),
    ...(drafted !== undefined && isUnpushed(drafted) ? { image: digest } : { mediaType, digest, size }),
    ...(drafted === undefined ? {} : { source: sourceName(drafted) }),
    ...(annotations === undefined ? {} : { annotations }),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(set.length === 0 ? {} : { set }),
    ...(available === undefined ? {} : { available }),
    attestations: [],
  };
}

interface Viewed {
  readonly entry: Descriptor;
  readonly view: EntryView;
}

/** Moves attestations below their image. Those whose image is not in the list stay where they are. */
function grouped(all: readonly Viewed[]): readonly EntryView[] {
  const known = new Set<string>(all.filter(({ entry }) => !isAttestation(entry)).map(({ entry }) => entry.digest));
  const isBelowImage = ({ entry }: Viewed) => isAttestation(entry) && known.has(attestedDigest(entry) ?? '');
  const attestations = all.filter(isBelowImage);
  return all
    .filter((viewed) => !isBelowImage(viewed))
    .map(({ entry, view }) => ({
      ...view,
      attestations: attestations
        .filter((attestation) => attestedDigest(attestation.entry) === entry.digest)
        .map((attestation) => attestation.view),
    }));
}
