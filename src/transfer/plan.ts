import type { ManifestContent, ContentReader, ContentWriter, Mounter, TagOrDigest } from '../store/store.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { digestsIn, type Digest } from '../oci/digest.ts';
import { isIndexType } from '../oci/media-type.ts';
import type { ManifestNode } from './graph.ts';

/** What is to be done at one target, in an order in which nothing ever points at something that is not there. */
export interface Plan {
  readonly target: ContentWriter;
  /** Each blob once, however many manifests share it. */
  readonly blobs: readonly BlobStep[];
  /** Children before what lists them, subjects before what refers to them. */
  readonly manifests: readonly ManifestStep[];
  /** What else gets a name, such as signatures: before the list, so that nobody finds it without them. */
  readonly labels: readonly RootStep[];
  /** The list itself, last, under each name. */
  readonly root: RootStep;
  /** Manifests and blobs that the target is known to have already, where that was looked at. */
  readonly there: readonly Descriptor[];
}

export interface BlobStep {
  readonly action: 'mount' | 'upload';
  readonly blob: Descriptor;
  readonly from: ContentReader;
  /** An index lists it, so the source may have it as a manifest of an unknown type. */
  readonly isListed?: boolean | undefined;
}

export interface ManifestStep {
  readonly content: ManifestContent;
  /** Digests of the blobs and manifests that must be there before; the subject too, if it is part of the transfer. */
  readonly needs: readonly Digest[];
  /** Layers of the manifest that are not transferred, since they are stored at their URLs. */
  readonly foreign: readonly Descriptor[];
}

export interface RootStep {
  readonly content: ManifestContent;
  readonly names: readonly TagOrDigest[];
  /** Move a name only away from its digest here, as far as the target can tell. */
  readonly ifMatch?: ReadonlyMap<TagOrDigest, Digest | 'absent'> | undefined;
}

export interface PlanTransferOptions {
  /** Manifests that the target has already, with all below them: nothing of it is sent. */
  readonly present?: ReadonlySet<Digest> | undefined;
  /** What the target was found to have, blobs too: nothing of it is sent, and the plan reports it. */
  readonly there?: readonly Descriptor[] | undefined;
  /** Blobs that the root lists, if the root is not one of the nodes. */
  readonly listed?: readonly ListedBlob[] | undefined;
  readonly labels?: readonly RootStep[] | undefined;
}

/** An entry of an index that is not a manifest. */
export interface ListedBlob {
  readonly blob: Descriptor;
  readonly source: ContentReader;
}

/**
 * Makes the plan. Pure: what is present was found out before.
 * @param nodes - what the target needs. A node that is itself the root, or has a label, is put by its digest only if
 *   another node or label lists it or refers to it
 */
export function planTransfer(
  target: ContentWriter & Partial<Mounter>,
  nodes: readonly ManifestNode[],
  root: RootStep,
  { present, there = [], listed = [], labels = [] }: PlanTransferOptions = {},
): Plan {
  const has = new Set([...(present ?? []), ...there.map(({ digest }) => digest)]);
  const ordered = inOrder(nodes, has);
  const labelled = labels.flatMap(({ content }) => [...digestsIn(content.bytes)]);
  const required = new Set<string>([...ordered.flatMap(dependenciesOf), ...labelled]);
  const named = new Set([root, ...labels].filter(({ names }) => names.length > 0).map(digestOf));
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
    for (const blob of node.blobs) addBlob(blob, node.source, isIndexType(mediaType));
    if (!named.has(digest) || required.has(digest)) manifests.push(stepOf(node, planned));
    planned.add(digest);
  }
  for (const { blob, source } of listed) addBlob(blob, source, true);
  return { target, blobs: [...blobs.values()], manifests, labels, root, there };
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
 * The nodes and all below them that the target lacks, each once, after its children and its subject. It does not recurse,
 * since a chain of subjects may be as long as a list. In a cycle, which is only possible with digests that cannot be
 * verified, the first node goes last.
 */
function inOrder(nodes: readonly ManifestNode[], has: ReadonlySet<Digest>): readonly ManifestNode[] {
  const byDigest = nodesByDigest(nodes);
  const ordered = new Map<Digest, ManifestNode>();
  const begun = new Set<Digest>(has);
  const stack = [...nodes].reverse();
  for (let node = stack.at(-1); node !== undefined; node = stack.at(-1)) {
    const { digest } = node.content.descriptor;
    if (begun.has(digest)) {
      if (!has.has(digest)) ordered.set(digest, node);
      stack.pop();
      continue;
    }
    begun.add(digest);
    const subject = node.subject === undefined ? undefined : byDigest.get(node.subject);
    const before = [...node.children, ...(subject === undefined ? [] : [subject])];
    stack.push(...before.filter((one) => !begun.has(one.content.descriptor.digest)).reverse());
  }
  return [...ordered.values()];
}

function nodesByDigest(nodes: readonly ManifestNode[]): ReadonlyMap<Digest, ManifestNode> {
  const found = new Map<Digest, ManifestNode>();
  const stack = [...nodes];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    const { digest } = node.content.descriptor;
    if (found.has(digest)) continue;
    found.set(digest, node);
    stack.push(...node.children);
  }
  return found;
}

function dependenciesOf({ children, subject }: ManifestNode): readonly Digest[] {
  const digests = children.map((child) => child.content.descriptor.digest);
  return subject === undefined ? digests : [...digests, subject];
}

function digestOf({ content }: RootStep): Digest {
  return content.descriptor.digest;
}
