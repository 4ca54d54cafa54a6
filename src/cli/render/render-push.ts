import type { PushedTarget } from '../../operations/push/push-target.ts';
import type { Pushed } from '../../operations/push/push.ts';
import type { Plan } from '../../transfer/plan.ts';
import type { Context } from '../context.ts';
import { planDocument, renderPlan } from './render-plan.ts';
import { replacedDocument } from '../output/event-document.ts';
import { reportLost, reportUnchanged } from '../output/reporter.ts';

/** What a push came to, for people: on stderr, but for the digest. */
export function reportPushed({ descriptor, targets }: Pushed, { output }: Context): void {
  for (const [plan, planned] of plansOf(targets)) renderPlan(planned, plan, output);
  for (const target of targets) if (target.status === 'planned') reportLost(output, target.reference, target);
  for (const { reference, status } of targets) {
    if (status === 'unchanged') reportUnchanged(output, reference, descriptor.digest);
  }
  if (!output.json) output.line(descriptor.digest);
}

/** The names of a repository share a plan: it is carried out once. */
function plansOf(targets: Pushed['targets']): ReadonlyMap<Plan, Pushed['targets']> {
  const planned = targets.filter(({ status }) => status === 'planned');
  const plans = new Map(planned.flatMap(({ plan }) => (plan === undefined ? [] : [[plan, [] as PushedTarget[]]])));
  for (const target of planned) if (target.plan !== undefined) plans.get(target.plan)?.push(target);
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
    targets: targets.map(({ reference, status, plan, ...replaced }) => ({
      ref: reference,
      status,
      ...replacedDocument(replaced),
      plan: plan && planDocument(plan),
    })),
  };
}
