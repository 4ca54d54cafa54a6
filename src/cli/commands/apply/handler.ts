import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import { waitTime } from '../../args/duration.ts';
import { usageError } from '../../args/parse-arguments.ts';
import { readPlatform } from '../../args/platform-arguments.ts';
import { missingPolicy } from '../../args/source-choices.ts';
import { locationInFile } from '../../args/typed-arguments.ts';
import type { Context } from '../../context.ts';
import { hostsDocument, renderHosts } from '../../render/render-hosts.ts';
import { replacedDocument } from '../../output/event-document.ts';
import { errorDocument } from '../../output/output.ts';
import { replacedText, reportLost } from '../../output/reporter.ts';
import { asMlistError, MlistError, SeveralErrors } from '../../../errors/errors.ts';
import { inputFailure } from '../../../fs/file-errors.ts';
import { readAtMost } from '../../../fs/read-file.ts';
import type { Shard } from '../../../operations/apply/apply-units.ts';
import { type Applied, type AppliedList, apply } from '../../../operations/apply/apply.ts';
import type { SpecFile } from '../../../operations/spec/read-spec.ts';
import { MAX_YAML_BYTES } from '../../../schema/yaml.ts';

export async function run(args: ParsedArguments, context: Context): Promise<number> {
  const names = args.texts('file');
  if (names.length === 0) throw usageError(args.command, 'missing option: --file');
  if (new Set(names).size < names.length) throw usageError(args.command, '--file names the same file twice');
  const shard = readShard(args.text('shard'));
  const read = await Promise.allSettled(names.map((name) => readSpecFile(name, context)));
  const files = read.flatMap((result): readonly SpecFile[] => (result.status === 'fulfilled' ? [result.value] : []));
  const unreadable = read.flatMap((result) => (result.status === 'rejected' ? [asMlistError(result.reason)] : []));
  const applied = await apply(files, {
    stores: await context.stores(),
    location: (text) => locationInFile(text, context),
    admit: async (locations, file) => context.workspace.guard?.admit(locations, file),
    platform: readPlatform,
    force: args.flag('force'),
    dryRun: args.flag('dry-run'),
    expectKept: args.text('expect') === 'kept',
    replaceImage: args.flag('replace-image'),
    ...missingPolicy(args, context, { isSpecAware: true }),
    shard,
    waitForSourceMs: waitTime(args, 'wait-for-source'),
    signal: context.signal,
    onEvent: context.onEvent,
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
  const { output } = context;
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
  const total = `${lists.length} ${lists.length === 1 ? 'list' : 'lists'}`;
  output.note(
    `${total}: ${summary === '' ? 'nothing to do' : summary}; ${writes} ${writes === 1 ? 'write' : 'writes'}`,
  );
}

type Target = AppliedList['targets'][number];

/** Reports a tag of a dry run: one that would be written, or one that already has the list. */
function reportTag(target: Target, { output }: Context): void {
  output.note(['  tag      ', 'dim'], `${target.reference} ${stateOf(target)}`.trimEnd());
  reportLost(output, target.reference, target);
}

function stateOf({ status, before }: Target): string {
  if (status === 'unchanged') return 'already has it';
  if (before === undefined) return '';
  return before === 'absent' ? 'is new' : `has ${before}`;
}

function countsOf(lists: readonly AppliedList[]): Record<AppliedList['status'], number> {
  const counts = { pushed: 0, unchanged: 0, planned: 0, failed: 0, stopped: 0 };
  for (const { status } of lists) counts[status] += 1;
  return counts;
}

/** Prints all errors, and returns the highest exit code. */
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

/** The result as a document: schemas/output/apply.schema.json. */
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

/** Reads specs from a file, or from stdin for `-`. Reading stops at the size limit. */
async function readSpecFile(name: string, { cwd, stdin, signal, waiting }: Context): Promise<SpecFile> {
  if (name === '-') return { name: 'stdin', bytes: await stdin() };
  try {
    const path = resolve(cwd, name);
    const { size } = await stat(path);
    if (size > MAX_YAML_BYTES) throw tooLarge(name, size);
    return { name, bytes: await waiting(`read ${name}`, readAtMost(path, { maxBytes: MAX_YAML_BYTES, signal })) };
  } catch (cause) {
    throw inputFailure(name, cause);
  }
}

function tooLarge(name: string, size: number): MlistError {
  return new MlistError(
    'ERR_MLIST_DOCUMENT_INVALID',
    `${name}:1:1: the file is too large: ${size} bytes, at most ${MAX_YAML_BYTES} are allowed`,
    { path: name, hint: 'Split the lists into several files.' },
  );
}
