import type { ParsedArguments } from '../../args/command-declaration.ts';
import { waitTime } from '../../args/duration.ts';
import { missingPolicy } from '../../args/source-choices.ts';
import { readSpecFiles, specParsing } from '../../args/spec-files.ts';
import type { Context } from '../../context.ts';
import { hostsDocument, renderHosts } from '../../render/render-hosts.ts';
import { replacedDocument } from '../../output/event-document.ts';
import { errorDocument } from '../../output/output.ts';
import { replacedText, reportLost } from '../../output/reporter.ts';
import { asMlistError, MlistError, SeveralErrors } from '../../../errors/errors.ts';
import { counted } from '../../../text/quantity.ts';
import type { Shard } from '../../../operations/apply/apply-units.ts';
import { type Applied, type AppliedList, apply } from '../../../operations/apply/apply.ts';

export async function run(args: ParsedArguments, context: Context): Promise<number> {
  const shard = readShard(args.text('shard'));
  const parsing = specParsing(args, context);
  const { files, unreadable } = await readSpecFiles(args, context);
  const applied = await apply(files, {
    stores: await context.stores(),
    ...parsing,
    admit: async (locations, file) => context.workspace.guard?.admit(locations, file),
    force: args.flag('force'),
    dryRun: args.flag('dry-run'),
    expectKept: args.text('expect') === 'kept',
    replaceImage: args.flag('replace-image'),
    ...missingPolicy(args, context, { isSpecAware: true }),
    shard,
    waitForSourceMs: waitTime(args, 'wait-for-source'),
    signal: context.signal,
    onEvent: context.onEvent,
  }).catch((thrown: unknown) => {
    throw SeveralErrors.of([asMlistError(thrown), ...unreadable]);
  });
  if (context.output.json) context.output.document(documentOf(applied, unreadable));
  else if (applied.lists.length > 0 || unreadable.length === 0) report(applied, context);
  return finish(applied, unreadable, context);
}

function readShard(text: string | undefined): Shard | undefined {
  if (text === undefined) return undefined;
  const [, index, count] = /^(\d{1,6})\/(\d{1,6})$/.exec(text) ?? [];
  const shard = { index: Number(index), count: Number(count) };
  if (shard.index >= 1 && shard.index <= shard.count) return shard;
  throw new MlistError('ERR_MLIST_USAGE', `--shard takes I/N with I from 1 to N, not ${JSON.stringify(text)}`);
}

function report({ lists, writes, hosts }: Applied, context: Context): void {
  const { output, totals } = context;
  for (const { status, list, file, line, descriptor, targets } of lists) {
    const name = list ?? `${file}:${line}`;
    const ownTarget = targets.find(({ reference }) => reference === list);
    const was = ownTarget?.status === 'pushed' ? replacedText({ ...ownTarget, digest: descriptor?.digest }) : '';
    output.line(`${status.padEnd(9)} ${name}${descriptor === undefined ? '' : ` ${descriptor.digest}`}${was}`);
    if (targets.some((target) => target.status === 'planned')) for (const target of targets) reportTag(target, context);
  }
  renderHosts(hosts, output);
  const counts = Object.entries(countsOf(lists)).filter(([, count]) => count > 0);
  const summary = counts.map(([status, count]) => `${count} ${status}`).join(', ');
  totals.report(output);
  const done = summary === '' ? 'nothing to do' : summary;
  output.note(`${counted(lists.length, 'list')}: ${done}; ${counted(writes, 'write')}`);
}

type Target = AppliedList['targets'][number];

/** Prints what a dry run would do with a tag: whether the tag would be written, and what it refers to now. */
function reportTag(target: Target, { output }: Context): void {
  output.note(['  tag      ', 'dim'], `${target.reference} ${stateOf(target)}`.trimEnd());
  reportLost(output, target.reference, target);
}

function stateOf({ status, before }: Target): string {
  if (status === 'unchanged') return 'already refers to the list';
  if (before === undefined) return '';
  return before === 'absent' ? 'is new' : `refers to ${before}`;
}

function countsOf(lists: readonly AppliedList[]): Record<AppliedList['status'], number> {
  const counts = { pushed: 0, unchanged: 0, planned: 0, failed: 0, stopped: 0 };
  for (const { status } of lists) counts[status] += 1;
  return counts;
}

/** Prints all errors. Returns the highest exit code, or 0 if there is no error. */
function finish({ lists, interruption }: Applied, unreadable: readonly MlistError[], { output }: Context): number {
  const [first, ...more] = [
    ...unreadable,
    ...lists.flatMap(({ errors }) => errors),
    ...(interruption === undefined ? [] : [interruption]),
  ];
  if (first === undefined) return 0;
  const error = SeveralErrors.of([first, ...more]);
  output.error(error);
  return error.exitCode;
}

/** Converts the result for the `--json` output: schemas/output/apply.schema.json. */
function documentOf({ lists, writes, hosts }: Applied, unreadable: readonly MlistError[]): object {
  return {
    counts: countsOf(lists),
    writes,
    lists: lists.map(({ file, line, column, list, status, descriptor, targets, missing, warnings, errors }) => ({
      ref: list,
      status,
      file,
      line,
      column,
      mediaType: descriptor?.mediaType,
      digest: descriptor?.digest,
      size: descriptor?.size,
      targets: targets.map((target) => ({
        ref: target.reference,
        status: target.status,
        ...replacedDocument(target),
      })),
      missing,
      warnings,
      errors: errors.map(errorDocument),
    })),
    errors: unreadable.map(errorDocument),
    hosts: hostsDocument(hosts),
  };
}
