import { MlistError } from '../../errors/errors.ts';
import type { ManifestContent, ContentOptions, ReadStore, Store } from '../../store/store.ts';
import { minimalDescriptor, uniqueByDigest, type Descriptor } from '../../oci/descriptor.ts';
import { digestOf, type Digest } from '../../oci/digest.ts';
import { encodeImageIndex } from '../../oci/list-encoding.ts';
import { readDocument, referrerOf } from '../../oci/children.ts';
import { MediaType } from '../../oci/media-type.ts';
import { cosignTags, referrersTag } from '../../oci/referrers-tag.ts';
import { readIndex } from '../../schema/documents.ts';
import { readGraph, type ManifestNode } from '../../transfer/graph.ts';
import type { RootStep } from '../../transfer/plan.ts';
import type { Omission } from '../omissions.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import { listReferrers } from '../list-referrers.ts';
import { refusedRead, ignoreRefusedRead } from '../publish/tag-state.ts';

/**
 * This file finds the attachments of manifests, and determines the tags that they need at the target. Attachments are
 * referrers, and manifests under the tags that cosign derives from digests.
 */

/** An attachment, and the manifest that it is attached to. */
export interface Attached {
  readonly subject: Digest;
  readonly descriptor: Descriptor;
  /** The tag under which cosign stores the attachment. Undefined for a referrer, whose manifest has a subject. */
  readonly tag?: string;
}

export interface Attachments {
  readonly attached: readonly Attached[];
  /** The attached manifests with everything below them. */
  readonly nodes: readonly ManifestNode[];
}

/**
 * Maximum number of levels of attachments, enough for signatures of signatures. Deeper chains occur only in attacks.
 */
const MAX_DEPTH = 4;

/**
 * Finds the attachments of manifests, then the attachments of these attachments, and so on, up to `MAX_DEPTH` levels.
 */
export async function findAttachments(
  store: ReadStore,
  digests: Iterable<Digest>,
  options: ContentOptions,
): Promise<Attachments> {
  const seen = new Set<Digest>(digests);
  const attached: Attached[] = [];
  let level = [...seen];
  for (let depth = 0; level.length > 0 && depth < MAX_DEPTH; depth += 1) {
    const found = (await Promise.all(level.map((subject) => attachedTo(store, subject, options)))).flat();
    attached.push(...found);
    level = [...new Set(found.map(({ descriptor }) => descriptor.digest))].filter((digest) => !seen.has(digest));
    for (const digest of level) seen.add(digest);
  }
  const unique = uniqueByDigest(attached.map(({ descriptor }) => descriptor));
  const nodes = await Promise.all(unique.map((descriptor) => readGraph(store, descriptor, options)));
  return { attached, nodes };
}

async function attachedTo(store: ReadStore, subject: Digest, options: ContentOptions): Promise<readonly Attached[]> {
  const [referring, tagged] = await Promise.all([
    listReferrers(store, subject, options),
    Promise.all(cosignTags(subject).map((tag) => underTag(store, tag, options))),
  ]);
  return [
    ...referring.map((descriptor) => ({ subject, descriptor: minimalDescriptor(descriptor) })),
    ...tagged.flatMap((found) => (found === undefined ? [] : [{ subject, ...found }])),
  ];
}

async function underTag(
  store: ReadStore,
  tag: string,
  options: ContentOptions,
): Promise<{ readonly descriptor: Descriptor; readonly tag: string } | undefined> {
  const descriptor = await ignoreNotFound(store.resolve(tag, options));
  return descriptor && { descriptor: minimalDescriptor(descriptor), tag };
}

export interface OtherRoots {
  readonly otherRoots: readonly RootStep[];
  readonly omissions: readonly Omission[];
}

/**
 * Returns the tags that attachments need at the target: the cosign tags and, if the target is a registry that may lack
 * the referrers API, the referrers tags. The index under a referrers tag keeps the entries that it already has.
 * Referrers that cannot be added to the index are returned as omissions.
 */
export async function otherRootsFor(
  { attached, nodes }: Attachments,
  target: Store,
  options: ContentOptions & { readonly isRegistry: boolean },
): Promise<OtherRoots> {
  const contents = new Map(nodes.map(({ content }) => [content.descriptor.digest, content]));
  const tags = attached.flatMap(({ tag, descriptor }) => {
    const content = contents.get(descriptor.digest);
    return tag === undefined || content === undefined ? [] : [{ content, names: [tag] }];
  });
  const referring = attached.filter(({ tag }) => tag === undefined);
  const [first] = referring;
  if (first === undefined || !(await needsTags(target, first.subject, options)))
    return { otherRoots: tags, omissions: [] };
  const subjects = [...new Set(referring.map(({ subject }) => subject))];
  const merged = await Promise.all(
    subjects.map((subject) => {
      const descriptors = referring.filter((one) => one.subject === subject).map(({ descriptor }) => descriptor);
      return fallbackFor(target, subject, descriptors, contents, options);
    }),
  );
  return {
    otherRoots: [...tags, ...merged.flatMap(({ otherRoots }) => otherRoots)],
    omissions: merged.flatMap(({ omissions }) => omissions),
  };
}

/**
 * Whether referrers tags have to be written: true if the target is a registry that lacks, or may lack, the referrers
 * API. Unnecessary referrers tags do no harm.
 */
async function needsTags(
  target: Store,
  digest: Digest,
  options: ContentOptions & { readonly isRegistry: boolean },
): Promise<boolean> {
  if (!options.isRegistry) return false;
  const asking = target.supportsReferrers?.(digest, options) ?? Promise.resolve(false);
  return (await ignoreRefusedRead(asking, options)) !== true;
}

/**
 * Returns the index for the referrers tag of a subject, with the given referrers added (distribution-spec v1.1.1
 * "Pushing Manifests with Subject"), or nothing if the index already has them. If the tag cannot be read or does not
 * refer to an OCI index, returns the referrers as omissions.
 */
async function fallbackFor(
  target: Store,
  subject: Digest,
  referring: readonly Descriptor[],
  contents: ReadonlyMap<Digest, ManifestContent>,
  options: ContentOptions,
): Promise<OtherRoots> {
  const tag = referrersTag(subject);
  const omit = (reason: string): OtherRoots => ({
    otherRoots: [],
    omissions: referring.map(({ digest }) => ({ what: 'referrer', digest, reason })),
  });
  const reading = ignoreNotFound(target.fetchManifest(tag, options));
  const now = await reading.catch((thrown: unknown) => refusedRead(thrown, options));
  if (now instanceof MlistError) return omit(`the tag ${tag} of the target cannot be read: ${now.message}`);
  const isIndex = now === undefined || now.descriptor.mediaType === MediaType.ociIndex;
  if (!isIndex) return omit(`the tag ${tag} of the target does not refer to an OCI image index`);
  const read = now && readIndex(now.bytes, MediaType.ociIndex, `${target.location}:${tag}`);
  const list = read?.mediaType === MediaType.ociIndex ? read : undefined;
  const listed = list?.manifests ?? [];
  const missing = referring.filter(({ digest }) => !listed.some((entry) => entry.digest === digest));
  if (missing.length === 0) return { otherRoots: [], omissions: [] };
  const added = missing.flatMap(({ digest }) => {
    const content = contents.get(digest);
    return content === undefined ? [] : [referrerOf(content.descriptor, readDocument(content.bytes))];
  });
  const bytes = encodeImageIndex({ ...list, manifests: [...listed, ...added] }, { keepEmpty: true });
  const descriptor = { mediaType: MediaType.ociIndex, digest: digestOf(bytes), size: bytes.length };
  return { otherRoots: [{ content: { descriptor, bytes }, names: [tag] }], omissions: [] };
}
