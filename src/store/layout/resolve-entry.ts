import { MlistError } from '../../errors/errors.ts';
import { AnnotationKey, minimalDescriptor, type Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { canonicalReference } from '../../oci/reference.ts';
import { tagOf, type Entries, type Entry } from './index-entries.ts';
import type { LayoutParts } from './layout-view.ts';

/** The entry that a location such as `oci:DIR[:REF]` resolves to. */
export interface ResolvedEntry {
  readonly descriptor: Descriptor;
  /** The name of the entry: a tag or a full reference; absent if the entry has no name. */
  readonly ref?: string;
}

/** Tags of signatures and referrers lists (cosign's tag scheme; the referrers tag schema of the distribution-spec). */
const ATTACHMENT_TAG = /^[a-z0-9+._-]+-[0-9a-f]{32,128}(?:\.(?:sig|att|sbom))?$/;

/**
 * Resolves a name to an image or list. The name is a tag, or a full reference as container engines store it in
 * annotations. Without a name, resolves to the only image or list; signatures and attestations are ignored.
 * @throws MlistError `ERR_MLIST_NOT_FOUND` if there is no match; `ERR_MLIST_AMBIGUOUS` with the candidates if there are
 * several
 */
export async function resolveEntry(parts: LayoutParts, ref: string | undefined): Promise<ResolvedEntry> {
  const entries = (await parts.entries()).all();
  const candidates = ref === undefined ? await topLevelEntries(parts, entries) : entriesOf(entries, ref);
  const digests = new Set(candidates.map(({ descriptor }) => descriptor.digest));
  const [first] = candidates;
  if (first === undefined) throw imageNotFound(parts.location, ref, entries.map(nameOf));
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
 * Returns the entries except attachments (such as signatures) and unnamed children of lists. If any of these entries
 * has a name, entries without one are left out, too, because other tools keep the entry of an image after its name was
 * moved. If nothing would remain, returns all entries.
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

/** Returns the full name that containerd writes (`images.AnnotationImageName`), in canonical form. */
function imageNameOf({ descriptor }: Entry): string | undefined {
  const name = descriptor.annotations?.[AnnotationKey.imageName];
  return name === undefined ? undefined : canonicalReference(name);
}

/** Returns the full name of an entry, or undefined if it has none. skopeo and podman store it as the tag. */
function fullNameOf(entry: Entry): string | undefined {
  const tag = tagOf(entry);
  return imageNameOf(entry) ?? (tag?.includes('/') === true ? canonicalReference(tag) : undefined);
}

/** Returns the full name that containerd writes, or else the tag. */
function nameOf(entry: Entry): string | undefined {
  return imageNameOf(entry) ?? tagOf(entry);
}

/**
 * Creates the error for a missing image: no image has this name or, if `ref` is undefined, there are no images at all.
 * @param names - the names of all images; undefined for an image without a name
 */
export function imageNotFound(
  location: string,
  ref: string | undefined,
  names: readonly (string | undefined)[],
): MlistError {
  if (ref === undefined) return new MlistError('ERR_MLIST_NOT_FOUND', `${location} contains no images`);
  const reference = `${location}:${ref}`;
  return new MlistError('ERR_MLIST_NOT_FOUND', `${reference} does not exist`, {
    reference,
    hint: hintOf(location, names),
  });
}

function hintOf(location: string, names: readonly (string | undefined)[]): string {
  if (names.length === 0) return `${location} contains no images.`;
  const available = [...new Set(names)].filter((name) => name !== undefined).slice(0, MAX_NAMES);
  return available.length === 0
    ? `The images in ${location} have no names. Specify one by its digest: ${location}@DIGEST.`
    : `Available: ${available.join(', ')}.`;
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
