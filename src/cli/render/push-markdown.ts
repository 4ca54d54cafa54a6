import type { PushedTarget } from '../../operations/push/push-target.ts';
import type { Pushed } from '../../operations/push/push.ts';
import { formatPlatform } from '../../oci/platform/platform.ts';
import { markdownCode, markdownTable, markdownText } from '../../text/markdown.ts';
import type { Plan } from '../../transfer/plan.ts';
import { requestsText, totalText } from './render-plan.ts';

const columns = [{ header: 'Name' }, { header: 'Result' }, { header: 'Before' }, { header: 'Lost platforms' }] as const;

/**
 * Formats the result of a push as Markdown.
 * @param plans - for a dry run: the targets of each plan
 */
export function pushMarkdown(
  { list, descriptor, targets }: Pushed,
  plans: ReadonlyMap<Plan, readonly PushedTarget[]>,
): readonly string[] {
  const rows = targets.map(({ reference, status, before, lost = [] }) => [
    markdownCode(reference),
    status,
    before === undefined || before === descriptor.digest ? '' : before === 'absent' ? 'new' : markdownCode(before),
    lost.map((platform) => markdownCode(formatPlatform(platform, { all: true }))).join(', '),
  ]);
  return [
    `### ${markdownCode(list)}`,
    '',
    `- digest: ${markdownCode(descriptor.digest)}`,
    `- type: ${markdownCode(descriptor.mediaType)}`,
    '',
    ...markdownTable(columns, rows),
    ...[...plans].flatMap(([plan, planned]) => ['', ...planLines(plan, planned)]),
  ];
}

function planLines(plan: Plan, planned: readonly PushedTarget[]): readonly string[] {
  const { requests = [] } = planned[0] ?? {};
  return [
    `Plan for ${planned.map(({ reference }) => markdownCode(reference)).join(', ')}:`,
    '',
    `- ${totalText(plan)}`,
    ...(requests.length === 0 ? [] : [`- requests: ${markdownText(requestsText(requests))}`]),
  ];
}
