import type { Plan, Pushed } from '../index.ts';
import type { Context } from './context.ts';
import { planDocument, renderPlan } from './render-plan.ts';
import { tellUnchanged } from './tell.ts';

/** What a push came to, for people: on stderr, but for the digest. */
export function tellPushed({ descriptor, targets }: Pushed, { output }: Context): void {
  for (const [plan, names] of plansOf(targets)) renderPlan(names.join(', '), plan, output);
  for (const { reference, status } of targets) {
    if (status === 'unchanged') tellUnchanged(output, reference, descriptor.digest);
  }
  if (!output.json) output.line(descriptor.digest);
}

/** The names of a repository share a plan: it is carried out once. */
function plansOf(targets: Pushed['targets']): ReadonlyMap<Plan, readonly string[]> {
  const plans = new Map<Plan, string[]>();
  for (const { reference, status, plan } of targets) {
    if (status !== 'planned' || plan === undefined) continue;
    plans.set(plan, [...(plans.get(plan) ?? []), reference]);
  }
  return plans;
}

/** The same for programs: schemas/output/push.schema.json. */
export function pushedDocument({ list, descriptor, targets, purged }: Pushed): object {
  const { mediaType, digest, size } = descriptor;
  return {
    ref: list,
    mediaType,
    digest,
    size,
    purged,
    targets: targets.map(({ reference, status, before, plan }) => ({
      ref: reference,
      status,
      before,
      plan: plan && planDocument(plan),
    })),
  };
}
