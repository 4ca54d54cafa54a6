import type { Content, ContentSource, ContentTarget, Mounts, Name } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { ManifestNode } from './graph.ts';

/** What is to be done at one target, in an order in which nothing ever points at something that is not there. */
export interface Plan {
  readonly target: ContentTarget;
  /** Each blob once, however many manifests share it. */
  readonly blobs: readonly BlobStep[];
  /** Children before what lists them. */
  readonly manifests: readonly ManifestStep[];
  /** The list itself, last, under each name. */
  readonly root: RootStep;
}

export interface BlobStep {
  readonly action: 'mount' | 'upload';
  readonly blob: Descriptor;
  readonly from: ContentSource;
}

export interface ManifestStep {
  readonly content: Content;
  /** Digests of the blobs and manifests that must be there before. */
  readonly needs: readonly Digest[];
}

export interface RootStep {
  readonly content: Content;
  readonly names: readonly Name[];
  /** Move the name only away from this digest, as far as the target can tell. */
  readonly ifMatch?: Digest | undefined;
}

/** What the target has already; nothing of it is sent. */
export interface Present {
  readonly manifests: ReadonlySet<Digest>;
}

/** Makes the plan. Pure: what is present was found out before. */
export function planTransfer(
  target: ContentTarget & Partial<Mounts>,
  nodes: readonly ManifestNode[],
  root: RootStep,
  present: Present = { manifests: new Set() },
): Plan {
  const blobs = new Map<Digest, BlobStep>();
  const manifests = new Map<Digest, ManifestStep>();
  const visit = (node: ManifestNode): void => {
    const { digest } = node.content.descriptor;
    if (manifests.has(digest) || present.manifests.has(digest)) return;
    node.children.forEach(visit);
    for (const blob of node.blobs) {
      if (blobs.has(blob.digest)) continue;
      const canMount = target.canMountFrom?.(node.source) ?? false;
      blobs.set(blob.digest, { action: canMount ? 'mount' : 'upload', blob, from: node.source });
    }
    const needs = [
      ...node.blobs.map((blob) => blob.digest),
      ...node.children.map((child) => child.content.descriptor.digest),
    ];
    manifests.set(digest, { content: node.content, needs });
  };
  nodes.forEach(visit);
  return { target, blobs: [...blobs.values()], manifests: [...manifests.values()], root };
}
