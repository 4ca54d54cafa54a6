import { shortDigest } from '../oci/digest.ts';
import type { PushedTarget } from '../ops/push-target.ts';
import type { Plan } from '../transfer/plan.ts';
import type { Output } from './output.ts';
import { replacedText } from './tell.ts';

/**
 * What a push would do, for people: on stderr, since stdout is the digest's.
 * @param targets - that the plan is for, in the order of its names
 */
export function renderPlan(targets: readonly PushedTarget[], plan: Plan, output: Output): void {
  output.note(['plan for ', 'bold'], targets.map(({ reference }) => reference).join(', '));
  for (const { digest, size } of plan.there) output.note(`  there    ${shortDigest(digest)} ${size} bytes`);
  for (const { action, blob, from } of plan.blobs)
    output.note(`  ${action.padEnd(8)} ${shortDigest(blob.digest)} ${blob.size} bytes from ${from.location}`);
  for (const { content } of plan.manifests)
    output.note(`  put      ${shortDigest(content.descriptor.digest)} ${content.descriptor.size} bytes`);
  const { content, names } = plan.root;
  const { digest } = content.descriptor;
  output.note(`  put      ${shortDigest(content.descriptor.digest)} ${content.descriptor.size} bytes, the list`);
  for (const [at, name] of names.entries())
    output.note(`  tag      ${name} -> ${digest}${replacedText({ ...targets[at], digest })}`);
}

/** The same for programs: schemas/output/push.schema.json. */
export function planDocument(plan: Plan): object {
  return {
    there: plan.there.map(({ digest, size }) => ({ digest, size })),
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
