import type { PushedTarget } from '../../operations/push/push-target.ts';
import type { Pushed } from '../../operations/push/push.ts';
import type { Plan } from '../../transfer/plan.ts';
import type { Context } from '../context.ts';
import { pushMarkdown } from './push-markdown.ts';
import { planDocument, renderPlan } from './render-plan.ts';
import { hostsDocument, renderHosts } from './render-hosts.ts';
import { replacedDocument } from '../output/event-document.ts';
import { reportLost, reportUnchanged } from '../output/reporter.ts';

export interface ReportOptions {
  /** Whether to print the result as Markdown instead of the digest. Default false. */
  readonly markdown?: boolean;
}

/**
 * Prints the result of a push: the digest or Markdown on stdout, everything else on stderr. With `--json`, the caller
 * prints the document on stdout.
 */
export function reportPushed(pushed: Pushed, { output, totals }: Context, { markdown }: ReportOptions = {}): void {
  const { descriptor, targets, hosts } = pushed;
  const plans = plansOf(targets);
  if (markdown !== true) {
    for (const [plan, planned] of plans) renderPlan(planned, plan, output);
    renderHosts(hosts, output);
  }
  for (const target of targets) if (target.status === 'planned') reportLost(output, target.reference, target);
  for (const { reference, status } of targets) {
    if (status === 'unchanged') reportUnchanged(output, reference, descriptor.digest);
  }
  for (const plan of new Set(targets.flatMap(({ status, plan }) => (status === 'pushed' && plan ? [plan] : []))))
    totals.addPresent(plan.existing);
  totals.report(output);
  if (markdown === true) for (const line of pushMarkdown(pushed, plans)) output.line(line);
  else if (!output.json) output.line(descriptor.digest);
}

/** Groups the planned targets by their plan. All targets in the same repository share one plan. */
function plansOf(targets: Pushed['targets']): ReadonlyMap<Plan, Pushed['targets']> {
  const planned = targets.filter(({ status }) => status === 'planned');
  const plans = new Map(planned.flatMap(({ plan }) => (plan === undefined ? [] : [[plan, [] as PushedTarget[]]])));
  for (const target of planned) if (target.plan !== undefined) plans.get(target.plan)?.push(target);
  return plans;
}

/** Converts the result of a push for the `--json` output: schemas/output/push.schema.json. */
export function pushedDocument({ list, descriptor, targets, purged, hosts }: Pushed): object {
  const { mediaType, digest, size } = descriptor;
  return {
    ref: list,
    mediaType,
    digest,
    size,
    purged,
    targets: targets.map(({ reference, status, plan, requests, ...replaced }) => ({
      ref: reference,
      status,
      ...replacedDocument(replaced),
      plan: plan && planDocument(plan, requests),
    })),
    hosts: hostsDocument(hosts),
  };
}
