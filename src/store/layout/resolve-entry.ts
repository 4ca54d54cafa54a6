import { MlistError } from '../../errors/errors.ts';
import { AnnotationKey, minimalDescriptor, type Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { canonicalReference } from '../../oci/reference.ts';
import { tagOf, type Entries, type Entry } from './index-entries.ts';
import type { LayoutParts } from './layout-view.ts';

/** What a location such as `oci:DIR[:REF]` means in its layout. */
export interface ResolvedEntry {
  readonly descriptor: Descriptor;
  /** The name that it goes by there; undefined where it has none. */
  readonly ref?: string;
}

/** Tags that other tools hang signatures and lists of referrers on (cosign's tag scheme; distribution-spec's fallback). */
const ATTACHED = /^[a-z0-9+._-]+-[0-9a-f]{32,128}(?:\.(?:sig|att|sbom))?$/;

/**
 * The image or list that a reference means: by its tag, or by the full name that container engines note beside it.
 * Without a reference the only one there is; what merely belongs to another (signatures, attestations) does not count.
 * @throws MlistError `ERR_MLIST_NOT_FOUND`; `ERR_MLIST_AMBIGUOUS` with the names to choose from
 */
export async function resolveEntry(parts: LayoutParts, ref: string | undefined): Promise<ResolvedEntry> {
  const entries = await parts.entries();
  const candidates = ref === undefined ? await standingAlone(parts, entries) : entriesOf(entries, ref);
  const digests = new Set(candidates.map(({ descriptor }) => descriptor.digest));
  const [first] = candidates;
  if (first === undefined) throw nothing(parts.location, ref, entries);
  if (digests.size > 1) throw several(parts.location, ref, candidates);
  const name = ref ?? candidates.map(nameOf).find((one) => one !== undefined);
  return { descriptor: minimalDescriptor(first.descriptor), ...(name === undefined ? {} : { ref: name }) };
}

function entriesOf(entries: Entries, ref: string): Entries {
  const tagged = entries.filter((entry) => tagOf(entry) === ref);
  if (tagged.length > 0) return tagged;
  const canonical = canonicalReference(ref);
  return canonical === undefined ? [] : entries.filter((entry) => fullNameOf(entry) === canonical);
}

/**
 * What somebody put there for its own sake: not what is attached to another, not a child of a list, and nothing without
 * a name where something has one, since other tools leave what lost its name behind.
 */
async function standingAlone({ graph }: LayoutParts, entries: Entries): Promise<Entries> {
  const here = new Set<Digest>(entries.map(({ descriptor }) => descriptor.digest));
  const listed = new Set<Digest>();
  const alone: Entry[] = [];
  for (const entry of entries) {
    for (const { digest } of await graph.children(entry.descriptor)) listed.add(digest);
    const subject = await graph.subject(entry.descriptor);
    const isAttached = ATTACHED.test(tagOf(entry) ?? '') || (subject !== undefined && here.has(subject.digest));
    if (!isAttached) alone.push(entry);
  }
  const own = alone.filter((entry) => nameOf(entry) !== undefined || !listed.has(entry.descriptor.digest));
  const named = own.filter((entry) => nameOf(entry) !== undefined);
  return [named, own, entries].find((some) => some.length > 0) ?? [];
}

/** The full name that an engine gave (containerd, `images.AnnotationImageName`), in its canonical spelling. */
function imageNameOf({ descriptor }: Entry): string | undefined {
  const name = descriptor.annotations?.[AnnotationKey.imageName];
  return name === undefined ? undefined : canonicalReference(name);
}

/** The full name, also where it stands in the place of the tag, as skopeo and podman put it there. */
function fullNameOf(entry: Entry): string | undefined {
  const tag = tagOf(entry);
  return imageNameOf(entry) ?? (tag?.includes('/') === true ? canonicalReference(tag) : undefined);
}

/** The full name, if it says more than the tag. */
function nameOf(entry: Entry): string | undefined {
  return imageNameOf(entry) ?? tagOf(entry);
}

function nothing(location: string, ref: string | undefined, entries: Entries): MlistError {
  if (ref === undefined) return new MlistError('ERR_MLIST_NOT_FOUND', `${location} holds no image`);
  const names = namesOf(entries);
  const reference = `${location}:${ref}`;
  return new MlistError('ERR_MLIST_NOT_FOUND', `${reference} does not exist`, {
    reference,
    hint: names.length === 0 ? 'Nothing there has a name.' : `There are: ${names.slice(0, MOST_SHOWN).join(', ')}.`,
  });
}

const MOST_SHOWN = 20;

function several(location: string, ref: string | undefined, entries: Entries): MlistError {
  const candidates = new Set(
    entries.map((entry) => {
      const name = ref === undefined ? nameOf(entry) : undefined;
      return name === undefined ? `${location}@${entry.descriptor.digest}` : `${location}:${name}`;
    }),
  );
  const what = ref === undefined ? `${location} holds ${candidates.size} images` : `${location}:${ref} names several`;
  return new MlistError('ERR_MLIST_AMBIGUOUS', `${what}: say which one is meant`, {
    reference: location,
    candidates: [...candidates].slice(0, MOST_SHOWN),
  });
}

function namesOf(entries: Entries): readonly string[] {
  return [...new Set(entries.flatMap((entry) => nameOf(entry) ?? []))];
}
