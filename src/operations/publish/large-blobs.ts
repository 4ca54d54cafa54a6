import type { ContentOptions, Store } from '../../store/store.ts';
import { uniqueByDigest, type Descriptor } from '../../oci/descriptor.ts';
import type { ManifestNode } from '../../transfer/graph.ts';
import { ignoreRefusedRead } from './tag-state.ts';

/**
 * Blobs of at least this size in bytes are looked up before they are sent. For smaller blobs, the request costs more
 * than it saves.
 */
const WORTH_ASKING = 1024 * 1024;

/**
 * Returns the large blobs that a target already has. Blobs that it can mount are not looked up. Each other large blob
 * is looked up once.
 */
export async function existingLargeBlobs(
  target: Store,
  nodes: readonly ManifestNode[],
  { signal }: ContentOptions,
): Promise<readonly Descriptor[]> {
  const all = uniqueByDigest(nodes.flatMap((node) => largeBelow(node, target)));
  const exists = await Promise.all(all.map((blob) => ignoreRefusedRead(target.hasBlob(blob, { signal }), { signal })));
  return all.filter((_, at) => exists[at]);
}

function largeBelow({ source, blobs, children }: ManifestNode, target: Store): readonly Descriptor[] {
  const own = target.canMountFrom?.(source) === true ? [] : blobs.filter(isWorthAsking);
  return [...own, ...children.flatMap((child) => largeBelow(child, target))];
}

export function isWorthAsking({ size }: Descriptor): boolean {
  return size >= WORTH_ASKING;
}
