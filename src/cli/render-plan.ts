import { shortDigest, type Plan } from '../index.ts';
import type { Output } from './output.ts';

/** What a push would do, for people: on stderr, since stdout is the digest's. */
export function renderPlan(reference: string, plan: Plan, output: Output): void {
  output.note(['plan for ', 'bold'], reference);
  for (const { digest, size } of plan.there) output.note(`  there    ${shortDigest(digest)} ${size} bytes`);
  for (const { action, blob, from } of plan.blobs)
    output.note(`  ${action.padEnd(8)} ${shortDigest(blob.digest)} ${blob.size} bytes from ${from.location}`);
  for (const { content } of plan.manifests)
    output.note(`  put      ${shortDigest(content.descriptor.digest)} ${content.descriptor.size} bytes`);
  const { content, names } = plan.root;
  output.note(`  put      ${shortDigest(content.descriptor.digest)} ${content.descriptor.size} bytes, the list`);
  for (const name of names) output.note(`  tag      ${name} -> ${content.descriptor.digest}`);
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
