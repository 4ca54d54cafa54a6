import { platformOf, sourceName } from '../../draft/draft.ts';
import { formatProblems } from '../../draft/draft-rules.ts';
import { attestedDigest, isAttestation, type Annotations, type Descriptor } from '../../oci/descriptor.ts';
import { isIndexType, MediaType } from '../../oci/media-type.ts';
import type { Platform } from '../../oci/platform/platform.ts';
import { readIndex } from '../../schema/documents.ts';
import { readCandidates } from '../read-candidates.ts';
import { encodedContentOf, lookup, type LookupResult, type ReadOptions } from '../lookup.ts';
import { reportWarnings } from '../warnings.ts';

/** A list as people want to see it: images with what belongs to them. */
export interface ListView {
  readonly from: LookupResult['from'];
  readonly reference: string;
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Annotations;
  readonly artifactType?: string;
  readonly subject?: string;
  /** Of a single image: what its config states. */
  readonly platform?: Platform;
  /** Empty for a single image. */
  readonly entries: readonly EntryView[];
}

export interface EntryView {
  /** The platform in effect; undefined where the entry states none. */
  readonly platform?: Platform;
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly source?: string;
  readonly annotations?: Annotations;
  readonly artifactType?: string;
  /** What the author set by hand, by member. */
  readonly set?: readonly string[];
  readonly attestations: readonly EntryView[];
}

/** A list or an image as people want to see it. Of an image its config is read too, which states the platform. */
export async function show(name: string | undefined, options: ReadOptions): Promise<ListView> {
  const found = await lookup(name, options);
  const { descriptor, bytes } = encodedContentOf(found);
  if (found.from === 'draft') reportWarnings(formatProblems(found.draft), options.onEvent);
  const { mediaType, digest, size } = descriptor;
  const facts = { from: found.from, reference: found.reference, mediaType, digest, size };
  if (!isIndexType(mediaType)) {
    const { entries } = await readCandidates(found, options);
    const platform = entries[0]?.stated;
    return { ...facts, ...(platform === undefined ? {} : { platform }), entries: [] };
  }
  const list = readIndex(bytes, mediaType, found.reference);
  const { annotations, artifactType, subject } = list.mediaType === MediaType.ociIndex ? list : {};
  return {
    ...facts,
    ...(annotations === undefined ? {} : { annotations }),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(subject === undefined ? {} : { subject: subject.digest }),
    entries: fold(list.manifests.map((entry, at) => ({ entry, view: viewOf(entry, found, at) }))),
  };
}

function viewOf(entry: Descriptor, found: LookupResult, at: number): EntryView {
  const { platform, mediaType, digest, size, annotations, artifactType } = entry;
  const drafted = found.from === 'draft' ? found.draft.entries[at] : undefined;
  const set = Object.keys(drafted?.set ?? {});
  const effective = drafted === undefined ? platform : platformOf(drafted);
  return {
    ...(effective === undefined ? {} : { platform: effective }),
    mediaType,
    digest,
    size,
    ...(drafted === undefined ? {} : { source: sourceName(drafted) }),
    ...(annotations === undefined ? {} : { annotations }),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(set.length === 0 ? {} : { set }),
    attestations: [],
  };
}

interface Viewed {
  readonly entry: Descriptor;
  readonly view: EntryView;
}

/** Puts attestations under their image; those of no image in the list stand for themselves. */
function fold(all: readonly Viewed[]): readonly EntryView[] {
  const known = new Set<string>(all.filter(({ entry }) => !isAttestation(entry)).map(({ entry }) => entry.digest));
  const isFolded = ({ entry }: Viewed) => isAttestation(entry) && known.has(attestedDigest(entry) ?? '');
  const folded = all.filter(isFolded);
  return all
    .filter((one) => !isFolded(one))
    .map(({ entry, view }) => ({
      ...view,
      attestations: folded.filter((one) => attestedDigest(one.entry) === entry.digest).map((one) => one.view),
    }));
}
