import { isDigestName, shortDigest } from '../../oci/digest.ts';
import { isIndexType } from '../../oci/media-type.ts';
import type { RegistryRequests } from '../../operations/push/request-estimate.ts';
import { byteSize, counted } from '../../text/quantity.ts';
import type { Plan } from '../../transfer/plan.ts';
import type { ReplacedTag } from '../../transfer/run.ts';
import type { Output } from '../output/output.ts';
import { notedDigest, replacedText } from '../output/reporter.ts';

/** A tag or digest that a plan writes. */
export interface PlannedName extends ReplacedTag {
  readonly reference: string;
  /** The estimated number of requests to each registry. Absent if it was not estimated. */
  readonly requests?: readonly RegistryRequests[];
}

/**
 * Prints the plan of a dry run on stderr, because stdout is for the digest.
 * @param targets - the targets of the plan, in the order of its names
 */
export function renderPlan(targets: readonly PlannedName[], plan: Plan, output: Output): void {
  const sizeText = (size: number) => (output.hasShortNotes ? byteSize(size).padStart(10) : `${size} bytes`);
  const line = (action: string, { digest, size }: { readonly digest: string; readonly size: number }, more = '') =>
    output.note(`  ${action.padEnd(8)} ${shortDigest(digest)} ${sizeText(size)}${more}`);
  output.note(['plan for ', 'bold'], targets.map(({ reference }) => reference).join(', '));
  for (const content of plan.existing) line('exists', content);
  for (const { action, blob, from } of plan.blobs) line(action, blob, ` from ${from.location}`);
  for (const { content } of plan.manifests) line('put', content.descriptor);
  for (const { content, names } of plan.otherRoots)
    for (const name of names) output.note(`  tag      ${name} -> ${notedDigest(output, content.descriptor.digest)}`);
  const { content, names } = plan.root;
  const { digest, mediaType } = content.descriptor;
  if (names.length > 0) line('put', content.descriptor, `, the ${isIndexType(mediaType) ? 'list' : 'image'}`);
  for (const [at, name] of names.entries()) {
    if (isDigestName(name)) continue;
    output.note(`  tag      ${name} -> ${notedDigest(output, digest)}${replacedText({ ...targets[at], digest })}`);
  }
  output.note(`  total    ${totalText(plan)}`);
  const { requests = [] } = targets[0] ?? {};
  if (requests.length > 0) output.note(`  requests ${requestsText(requests)}`);
}

/** Formats the totals of a plan: `mount 2 blobs (4.5 MiB), upload 1 blob (12.3 MiB), put 3 manifests`. */
export function totalText({ blobs, manifests, otherRoots, root }: Plan): string {
  const roots = [root, ...otherRoots].filter(({ names }) => names.length > 0).length;
  const partOf = (action: 'mount' | 'upload') => {
    const sizes = blobs.filter((step) => step.action === action).map(({ blob }) => blob.size);
    const amount = byteSize(sizes.reduce((sum, size) => sum + size, 0));
    return sizes.length === 0 ? [] : [`${action} ${counted(sizes.length, 'blob')} (${amount})`];
  };
  return [...partOf('mount'), ...partOf('upload'), `put ${counted(manifests.length + roots, 'manifest')}`].join(', ');
}

/** Formats estimated requests: `about 12 to registry.example, about 3 to ghcr.io`. */
export function requestsText(requests: readonly RegistryRequests[]): string {
  return requests.map(({ registry, count }) => `about ${count} to ${registry}`).join(', ');
}

/** Converts the plan for the `--json` output: schemas/output/push.schema.json. */
export function planDocument(plan: Plan, requests?: readonly RegistryRequests[]): object {
  return {
    there: plan.existing.map(({ digest, size }) => ({ digest, size })),
    blobs: plan.blobs.map(({ action, blob, from }) => ({
      action,
      digest: blob.digest,
      size: blob.size,
      from: from.location,
    })),
    manifests: plan.manifests.map(({ content }) => ({
      digest: content.descriptor.digest,
      size: content.descriptor.size,
    })),
    names: plan.root.names,
    requests,
  };
}
