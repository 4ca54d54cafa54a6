import { shortDigest, type Plan } from '../index.ts';
import type { Output } from './output.ts';

/** What a push would do, for people: on stderr, since stdout is the digest's. */
export function renderPlan(reference: string, plan: Plan, output: Output): void {
  output.note(['plan for ', 'bold'], reference);
  for (const { action, blob, from } of plan.blobs)
    output.note(`  ${action.padEnd(8)} ${shortDigest(blob.digest)} ${blob.size} bytes from ${from.location}`);
  for (const { content } of plan.manifests)
    output.note(`  manifest ${shortDigest(content.descriptor.digest)} ${content.descriptor.size} bytes`);
  for (const name of plan.root.names) output.note(`  tag      ${name} -> ${plan.root.content.descriptor.digest}`);
}

/** The same for programs: schemas/output/push.schema.json. */
export function planDocument(plan: Plan): object {
  return {
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
