import { MlistError } from '../../errors/errors.ts';
import { AnnotationKey, minimalDescriptor, type Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { canonicalReference } from '../../oci/reference.ts';
import { tagOf, type Entries, type Entry } from './index-entries.ts';
import type { LayoutParts } from './layout-view.ts';

/** The entry that a location such as `oci:DIR[:REF]` resolves to. */
export interface ResolvedEntry {
  readonly descriptor: Descriptor;
  /** The name of the entry in the layout: a tag or a full reference. */
  readonly ref?: string;
}

/** Tags of signatures and referrers lists (cosign's tag scheme; the referrers tag schema of the distribution-spec). */
const ATTACHMENT_TAG = /^[a-z0-9+._-]+-[0-9a-f]{32,128}(?:\.(?:sig|att|sbom))?$/;

/**
 * Resolves a reference to an image or list, by its tag or by the full name in its annotations, which container engines
 * write. Without a reference, resolves to the only image or list; signatures and attestations are ignored.
 * @throws MlistError `ERR_MLIST_NOT_FOUND`; `ERR_MLIST_AMBIGUOUS` with the candidates
 */
export async function resolveEntry(parts: LayoutParts, ref: string | undefined): Promise<ResolvedEntry> {
  const entries = (await parts.entries()).all();
  const candidates = ref === undefined ? await topLevelEntries(parts, entries) : entriesOf(entries, ref);
  const digests = new Set(candidates.map(({ descriptor }) => descriptor.digest));
  const [first] = candidates;
  if (first === undefined) throw imageNotFound(parts.location, ref, namesOf(entries));
  if (digests.size > 1) throw ambiguous(parts.location, ref, candidates);
  const name = ref ?? candidates.map(nameOf).find((each) => each !== undefined);
  return { descriptor: minimalDescriptor(first.descriptor), ...(name === undefined ? {} : { ref: name }) };
}

function entriesOf(entries: Entries, ref: string): Entries {
  const tagged = entries.filter((entry) => tagOf(entry) === ref);
  if (tagged.length > 0) return tagged;
  const canonical = canonicalReference(ref);
  return canonical === undefined ? [] : entries.filter((entry) => fullNameOf(entry) === canonical);
}

/**
 * The entries without attachments and untagged children of lists. If any entry has a name, entries without one are
 * ignored, because other tools keep the entry of an image whose name was moved.
 */
async function topLevelEntries({ graph }: LayoutParts, entries: Entries): Promise<Entries> {
  const digests = new Set<Digest>(entries.map(({ descriptor }) => descriptor.digest));
  const listed = new Set<Digest>();
  const unattached: Entry[] = [];
  for (const entry of entries) {
    for (const { digest } of await graph.children(entry.descriptor)) listed.add(digest);
    const subject = await graph.subject(entry.descriptor);
    const isAttached =
      ATTACHMENT_TAG.test(tagOf(entry) ?? '') || (subject !== undefined && digests.has(subject.digest));
    if (!isAttached) unattached.push(entry);
  }
  const topLevel = unattached.filter((entry) => nameOf(entry) !== undefined || !listed.has(entry.descriptor.digest));
  const named = topLevel.filter((entry) => nameOf(entry) !== undefined);
  return [named, topLevel, entries].find((candidates) => candidates.length > 0) ?? [];
}

/** The full name that containerd writes (`images.AnnotationImageName`), in canonical form. */
function imageNameOf({ descriptor }: Entry): string | undefined {
  const name = descriptor.annotations?.[AnnotationKey.imageName];
  return name === undefined ? undefined : canonicalReference(name);
}

/** The full name of an entry. skopeo and podman store it in the annotation for the tag. */
function fullNameOf(entry: Entry): string | undefined {
  const tag = tagOf(entry);
  return imageNameOf(entry) ?? (tag?.includes('/') === true ? canonicalReference(tag) : undefined);
}

/** The full name that containerd writes, else the tag. */
function nameOf(entry: Entry): string | undefined {
  return imageNameOf(entry) ?? tagOf(entry);
}

/** The error for a name that no image of a layout or archive has or, without a name, for a layout without images. */
export function imageNotFound(location: string, ref: string | undefined, names: readonly string[]): MlistError {
  if (ref === undefined) return new MlistError('ERR_MLIST_NOT_FOUND', `${location} contains no image`);
  const reference = `${location}:${ref}`;
  return new MlistError('ERR_MLIST_NOT_FOUND', `${reference} does not exist`, {
    reference,
    hint: names.length === 0 ? 'Its images have no names.' : `Available: ${names.slice(0, MAX_NAMES).join(', ')}.`,
  });
}

/** Maximum number of names or candidates in an error. */
export const MAX_NAMES = 20;

function ambiguous(location: string, ref: string | undefined, entries: Entries): MlistError {
  const candidates = new Set(
    entries.map((entry) => {
      const name = ref === undefined ? nameOf(entry) : undefined;
      return name === undefined ? `${location}@${entry.descriptor.digest}` : `${location}:${name}`;
    }),
  );
  const what =
    ref === undefined ? `${location} contains ${candidates.size} images` : `${location}:${ref} matches several images`;
  return new MlistError('ERR_MLIST_AMBIGUOUS', `${what}: specify one of them`, {
    reference: location,
    candidates: [...candidates].slice(0, MAX_NAMES),
  });
}

function namesOf(entries: Entries): readonly string[] {
  return [...new Set(entries.flatMap((entry) => nameOf(entry) ?? []))];
}
