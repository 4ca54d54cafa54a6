import { isDigestName, shortDigest } from '../../oci/digest.ts';
import { isIndexType } from '../../oci/media-type.ts';
import type { Plan } from '../../transfer/plan.ts';
import type { ReplacedTag } from '../../transfer/run.ts';
import type { Output } from '../output/output.ts';
import { replacedText } from '../output/reporter.ts';

/** A name that a plan writes. */
export interface PlannedName extends ReplacedTag {
  readonly reference: string;
}

/**
 * Prints the plan of a dry run on stderr, because stdout is for the digest.
 * @param targets - the targets of the plan, in the order of its names
 */
export function renderPlan(targets: readonly PlannedName[], plan: Plan, output: Output): void {
  output.note(['plan for ', 'bold'], targets.map(({ reference }) => reference).join(', '));
  for (const { digest, size } of plan.existing) output.note(`  exists   ${shortDigest(digest)} ${size} bytes`);
  for (const { action, blob, from } of plan.blobs)
    output.note(`  ${action.padEnd(8)} ${shortDigest(blob.digest)} ${blob.size} bytes from ${from.location}`);
  for (const { content } of plan.manifests)
    output.note(`  put      ${shortDigest(content.descriptor.digest)} ${content.descriptor.size} bytes`);
  for (const { content, names } of plan.otherRoots)
    for (const name of names) output.note(`  tag      ${name} -> ${content.descriptor.digest}`);
  const { content, names } = plan.root;
  const { digest, size, mediaType } = content.descriptor;
  if (names.length > 0)
    output.note(`  put      ${shortDigest(digest)} ${size} bytes, the ${isIndexType(mediaType) ? 'list' : 'image'}`);
  for (const [at, name] of names.entries())
    if (!isDigestName(name)) output.note(`  tag      ${name} -> ${digest}${replacedText({ ...targets[at], digest })}`);
}

/** The plan as a document: schemas/output/push.schema.json. */
export function planDocument(plan: Plan): object {
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
  };
}
