import type { Format } from '../../../draft/draft.ts';
import { asMlistError, MlistError, SeveralErrors } from '../../../errors/errors.ts';
import { writeJson } from '../../../json/stringify.ts';
import { push, type Pushed } from '../../../operations/push/push.ts';
import { onlyList, optionalList, readTagState, typedName } from '../../args/typed-arguments.ts';
import type { Context } from '../../context.ts';
import { readDockerMetadata } from '../../args/docker-metadata-file.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import { readExpected } from '../../args/platform-arguments.ts';
import { pushedDocument, reportPushed } from '../../render/render-push.ts';
import { isMarkdown } from '../../args/output-format.ts';
import { resultFile, type ResultFile } from '../../output/result-file.ts';

export async function run(args: ParsedArguments, context: Context): Promise<number> {
  const markdown = isMarkdown(args);
  const list = onlyList(args, context);
  const metadata = await readDockerMetadata(args, context);
  const files = await resultFiles(args, context);
  const pushed = await push(optionalList(list), {
    workspace: context.workspace,
    stores: await context.stores(),
    tags: [...args.texts('tag'), ...(metadata?.tags ?? [])].map((text) => typedName(text, context)),
    to: args.texts('to').map((text) => typedName(text, context)),
    format: markdown ? undefined : (args.text('format') as Format | undefined),
    ...readExpected(args.texts('expect')),
    replaceImage: args.flag('replace-image'),
    ifDigest: readTagState(args.text('if-digest')),
    allowDuplicates: args.flag('allow-duplicates'),
    allowEmpty: args.flag('allow-empty'),
    strict: args.flag('strict'),
    force: args.flag('force'),
    checkSignatures: args.flag('check-signatures'),
    allOrNothing: args.flag('all-or-nothing'),
    dryRun: args.flag('dry-run'),
    purge: args.flag('purge'),
    signal: context.signal,
    onEvent: context.onEvent,
  });
  reportPushed(pushed, context, { markdown });
  if (context.output.json) context.output.document(pushedDocument(pushed));
  if (!args.flag('dry-run')) await writeFiles(files, pushed);
  return 0;
}

interface ResultFiles {
  readonly digest: ResultFile | undefined;
  readonly metadata: ResultFile | undefined;
}

/**
 * Checks that the result files can be written. This happens before the push, so that a wrong path does not fail the
 * command after tags have been moved.
 */
async function resultFiles(args: ParsedArguments, context: Context): Promise<ResultFiles> {
  const [digest, metadata] = [args.text('digest-file'), args.text('metadata-file')];
  if (digest !== undefined && digest === metadata)
    throw new MlistError('ERR_MLIST_USAGE', '--digest-file and --metadata-file cannot name the same file');
  return {
    digest: await resultFile(digest, '--digest-file', context),
    metadata: await resultFile(metadata, '--metadata-file', context),
  };
}

/** Writes the result files after the push. If one fails, the other is written nevertheless. */
async function writeFiles(files: ResultFiles, { descriptor, targets }: Pushed): Promise<void> {
  const metadata = {
    'containerimage.descriptor': descriptor,
    'containerimage.digest': descriptor.digest,
    'image.name': targets.map(({ reference }) => reference).join(','),
  };
  const written = await Promise.allSettled([
    files.digest?.write(`${descriptor.digest}\n`),
    files.metadata?.write(`${writeJson(metadata, { indent: '  ' })}\n`),
  ]);
  SeveralErrors.throwAny(
    written.flatMap((result) => (result.status === 'rejected' ? [asMlistError(result.reason)] : [])),
  );
}
