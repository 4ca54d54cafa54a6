import type { Content, ContentSource, ContentTarget, Mounts, Name } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { isIndexType } from '../oci/media-type.ts';
import type { ManifestNode } from './graph.ts';

/** What is to be done at one target, in an order in which nothing ever points at something that is not there. */
export interface Plan {
  readonly target: ContentTarget;
  /** Each blob once, however many manifests share it. */
  readonly blobs: readonly BlobStep[];
  /** Children before what lists them. */
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
  readonly from: ContentSource;
  /** An index lists it, so the source may have it as a manifest of an unknown type. */
  readonly isListed?: boolean | undefined;
}

export interface ManifestStep {
  readonly content: Content;
  /** Digests of the blobs and manifests that must be there before. */
  readonly needs: readonly Digest[];
}

export interface RootStep {
  readonly content: Content;
  readonly names: readonly Name[];
  /** Move a name only away from its digest here, as far as the target can tell. */
  readonly ifMatch?: ReadonlyMap<Name, Digest | 'absent'> | undefined;
}

export interface Planning {
  /** Manifests that the target has already, with all below them: nothing of it is sent. */
  readonly present?: ReadonlySet<Digest> | undefined;
  /** What the target was found to have, blobs too: nothing of it is sent, and the plan tells it. */
  readonly there?: readonly Descriptor[] | undefined;
  /** Blobs that the root lists, if the root is not one of the nodes. */
  readonly listed?: readonly ListedBlob[] | undefined;
  readonly labels?: readonly RootStep[] | undefined;
}

/** An entry of an index that is not a manifest. */
export interface ListedBlob {
  readonly blob: Descriptor;
  readonly source: ContentSource;
}

/**
 * Makes the plan. Pure: what is present was found out before.
 * @param nodes - what the target needs; of a node that is itself the root, or has a label, only what is below it
 */
export function planTransfer(
  target: ContentTarget & Partial<Mounts>,
  nodes: readonly ManifestNode[],
  root: RootStep,
  { present, there = [], listed: loose = [], labels = [] }: Planning = {},
): Plan {
  const has = new Set([...(present ?? []), ...there.map(({ digest }) => digest)]);
  const listed = new Set(nodes.flatMap(digestsBelow));
  const named = new Set([root, ...labels].filter(({ names }) => names.length > 0).map(digestOf));
  const seen = new Set<Digest>();
  const blobs = new Map<Digest, BlobStep>();
  const manifests = new Map<Digest, ManifestStep>();
  const bring = (blob: Descriptor, from: ContentSource, isListed: boolean): void => {
    if (blobs.has(blob.digest) || has.has(blob.digest)) return;
    const action = target.canMountFrom?.(from) === true ? 'mount' : 'upload';
    blobs.set(blob.digest, { action, blob, from, ...(isListed ? { isListed } : {}) });
  };
  const visit = (node: ManifestNode): void => {
    const { digest, mediaType } = node.content.descriptor;
    if (seen.has(digest) || has.has(digest)) return;
    seen.add(digest);
    node.children.forEach(visit);
    for (const blob of node.blobs) bring(blob, node.source, isIndexType(mediaType));
    const needs = [
      ...node.blobs.map((blob) => blob.digest),
      ...node.children.map((child) => child.content.descriptor.digest),
    ];
    if (!named.has(digest) || listed.has(digest)) manifests.set(digest, { content: node.content, needs });
  };
  nodes.forEach(visit);
  for (const { blob, source } of loose) bring(blob, source, true);
  return { target, blobs: [...blobs.values()], manifests: [...manifests.values()], labels, root, there };
}

function digestsBelow(node: ManifestNode): readonly Digest[] {
  return node.children.flatMap((child) => [child.content.descriptor.digest, ...digestsBelow(child)]);
}

function digestOf({ content }: RootStep): Digest {
  return content.descriptor.digest;
}
