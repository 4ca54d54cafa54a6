import type { ManifestContent, ContentReader, ContentWriter, Mounter, TagOrDigest } from '../store/store.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { digestsIn, type Digest } from '../oci/digest.ts';
import { isIndexType } from '../oci/media-type.ts';
import type { ManifestNode } from './graph.ts';

/**
 * The steps of a transfer to one target, ordered so that all content is written before the manifests that refer to it.
 */
export interface Plan {
  readonly target: ContentWriter;
  /** The blobs without duplicates, since manifests may share blobs. */
  readonly blobs: readonly BlobStep[];
  /** The manifests: children before their index, subjects before their referrers. */
  readonly manifests: readonly ManifestStep[];
  /**
   * Other manifests that are tagged, such as signatures. They are tagged before the root, so that clients that pull the
   * root find them.
   */
  readonly otherRoots: readonly RootStep[];
  /** The list or image itself, which is written last, under all its names. */
  readonly root: RootStep;
  /** Manifests and blobs that the target is known to have. */
  readonly existing: readonly Descriptor[];
}

export interface BlobStep {
  readonly action: 'mount' | 'upload';
  readonly blob: Descriptor;
  readonly from: ContentReader;
  /** Whether an index lists the blob. If so, the source may have it as a manifest of an unknown type. */
  readonly isListed?: boolean | undefined;
}

export interface ManifestStep {
  readonly content: ManifestContent;
  /** Digests of the blobs and manifests that must exist first, including the subject if it is part of the transfer. */
  readonly needs: readonly Digest[];
  /** Foreign layers, which are not transferred because they are stored at their URLs. */
  readonly foreign: readonly Descriptor[];
}

export interface RootStep {
  readonly content: ManifestContent;
  readonly names: readonly TagOrDigest[];
  /**
   * The conditions, keyed by name: the name is written only if it currently refers to this digest or, with `absent`,
   * does not exist. Targets that do not support conditions ignore them.
   */
  readonly ifMatch?: ReadonlyMap<TagOrDigest, Digest | 'absent'> | undefined;
}

export interface PlanTransferOptions {
  /** Manifests that the target has with all their descendants. Neither these nor their descendants are sent. */
  readonly present?: ReadonlySet<Digest> | undefined;
  /** Manifests and blobs that the target has. They are not sent; the plan only lists them. */
  readonly existing?: readonly Descriptor[] | undefined;
  /** Blobs that the root lists, if the root is not one of the nodes. */
  readonly listed?: readonly ListedBlob[] | undefined;
  readonly otherRoots?: readonly RootStep[] | undefined;
}

/** An entry of an index that is not a manifest. */
export interface ListedBlob {
  readonly blob: Descriptor;
  readonly source: ContentReader;
}

/**
 * Plans a transfer. The function is pure: the caller has checked which content the target already has.
 * @param nodes - the manifests that the target needs. A node that is `root` or one of `otherRoots` is written by its
 * digest only if it has no names, or if another node or one of `otherRoots` refers to it
 */
export function planTransfer(
  target: ContentWriter & Partial<Mounter>,
  nodes: readonly ManifestNode[],
  root: RootStep,
  { present, existing = [], listed = [], otherRoots = [] }: PlanTransferOptions = {},
): Plan {
  const has = new Set([...(present ?? []), ...existing.map(({ digest }) => digest)]);
  const ordered = inOrder(nodes, has);
  const inOtherRoots = otherRoots.flatMap(({ content }) => [...digestsIn(content.bytes)]);
  const required = new Set<string>([...ordered.flatMap(dependenciesOf), ...inOtherRoots]);
  const named = new Set([root, ...otherRoots].filter(({ names }) => names.length > 0).map(digestOf));
  const planned = new Set<Digest>();
  const blobs = new Map<Digest, BlobStep>();
  const addBlob = (blob: Descriptor, from: ContentReader, isListed: boolean): void => {
    if (blobs.has(blob.digest) || has.has(blob.digest)) return;
    const action = target.canMountFrom?.(from) === true ? 'mount' : 'upload';
    blobs.set(blob.digest, { action, blob, from, ...(isListed ? { isListed } : {}) });
  };
  const manifests: ManifestStep[] = [];
  for (const node of ordered) {
    const { digest, mediaType } = node.content.descriptor;
    for (const blob of node.blobs)
      addBlob(blob, node.elsewhere?.get(blob.digest) ?? node.source, isIndexType(mediaType));
    if (!named.has(digest) || required.has(digest)) manifests.push(stepOf(node, planned));
    planned.add(digest);
  }
  for (const { blob, source } of listed) addBlob(blob, source, true);
  return { target, blobs: [...blobs.values()], manifests, otherRoots, root, existing };
}

function stepOf(
  { content, blobs, foreign, children, subject }: ManifestNode,
  planned: ReadonlySet<Digest>,
): ManifestStep {
  const needs = [...blobs.map((blob) => blob.digest), ...children.map((child) => child.content.descriptor.digest)];
  if (subject !== undefined && planned.has(subject) && !needs.includes(subject)) needs.push(subject);
  return { content, needs, foreign };
}

/**
 * Returns the nodes and their descendants that the target lacks, without duplicates, each after its children and its
 * subject. The function is not recursive, because a chain of subjects may be long enough to overflow the stack. A cycle
 * is possible only with digests that cannot be verified; in a cycle, the node that was visited first comes last.
 */
function inOrder(nodes: readonly ManifestNode[], has: ReadonlySet<Digest>): readonly ManifestNode[] {
  const byDigest = nodesByDigest(nodes);
  const ordered = new Map<Digest, ManifestNode>();
  const visited = new Set<Digest>(has);
  const stack = [...nodes].reverse();
  for (let node = stack.at(-1); node !== undefined; node = stack.at(-1)) {
    const { digest } = node.content.descriptor;
    if (visited.has(digest)) {
      if (!has.has(digest)) ordered.set(digest, node);
      stack.pop();
      continue;
    }
    visited.add(digest);
    const subject = node.subject === undefined ? undefined : byDigest.get(node.subject);
    const dependencies = [...node.children, ...(subject === undefined ? [] : [subject])];
    stack.push(...dependencies.filter((each) => !visited.has(each.content.descriptor.digest)).reverse());
  }
  return [...ordered.values()];
}

function nodesByDigest(nodes: readonly ManifestNode[]): ReadonlyMap<Digest, ManifestNode> {
  const byDigest = new Map<Digest, ManifestNode>();
  const stack = [...nodes];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    const { digest } = node.content.descriptor;
    if (byDigest.has(digest)) continue;
    byDigest.set(digest, node);
    stack.push(...node.children);
  }
  return byDigest;
}

function dependenciesOf({ children, subject }: ManifestNode): readonly Digest[] {
  const digests = children.map((child) => child.content.descriptor.digest);
  return subject === undefined ? digests : [...digests, subject];
}

function digestOf({ content }: RootStep): Digest {
  return content.descriptor.digest;
}
