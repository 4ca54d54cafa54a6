import type { Pushed } from '../index.ts';
import { shownName } from './arguments.ts';
import type { Context } from './context.ts';
import { planDocument, renderPlan } from './render-plan.ts';

/** What a push came to, for people: on stderr, but for the digest. */
export function tellPushed({ descriptor, targets }: Pushed, context: Context): void {
  const { output } = context;
  for (const target of targets) {
    const reference = shownName(target.reference, context);
    if (target.status === 'planned' && target.plan !== undefined) renderPlan(reference, target.plan, output);
    if (target.status === 'unchanged')
      output.note(['unchanged ', 'dim'], `${reference} has ${descriptor.digest} already`);
  }
  if (!output.json) output.line(descriptor.digest);
}

/** The same for programs: schemas/output/push.schema.json. */
export function pushedDocument({ list, descriptor, targets, purged }: Pushed, context: Context): object {
  const { mediaType, digest, size } = descriptor;
  return {
    ref: list,
    mediaType,
    digest,
    size,
    purged,
    targets: targets.map(({ reference, status, before, plan }) => ({
      ref: shownName(reference, context),
      status,
      before,
      plan: plan && planDocument(plan),
    })),
  };
}
