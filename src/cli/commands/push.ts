import { isDigest, MlistError, push, writeFileAtomic, writeJson, type Format, type Pushed } from '../../index.ts';
import { listFirst, optionalList, tooMany, typedName } from '../arguments.ts';
import type { Context } from '../context.ts';
import { readDockerMetadata } from '../docker-metadata.ts';
import type { Invocation } from '../language.ts';
import { readPlatforms } from '../platform-words.ts';
import { pushedDocument, tellPushed } from '../render-push.ts';

export async function run(invocation: Invocation, context: Context): Promise<number> {
  const { list, rest } = listFirst(invocation, context);
  if (rest.length > 0) throw tooMany(invocation);
  const ifDigest = invocation.text('if-digest');
  if (ifDigest !== undefined && !isDigest(ifDigest))
    throw new MlistError('ERR_MLIST_USAGE', `--if-digest takes a digest, not ${JSON.stringify(ifDigest)}`);
  const metadata = await readDockerMetadata(invocation, context);
  const pushed = await push(optionalList(list), {
    workspace: context.workspace,
    homes: await context.homes(),
    tags: [...invocation.texts('tag'), ...(metadata?.tags ?? [])].map((text) => typedName(text, context)),
    to: invocation.texts('to').map((text) => typedName(text, context)),
    format: invocation.text('format') as Format | undefined,
    expect: readPlatforms(invocation.texts('expect')),
    ifDigest,
    allowDuplicates: invocation.flag('allow-duplicates'),
    strict: invocation.flag('strict'),
    force: invocation.flag('force'),
    checkSignatures: invocation.flag('check-signatures'),
    dryRun: invocation.flag('dry-run'),
    purge: invocation.flag('purge'),
    signal: context.signal,
    onEvent: context.onEvent,
  });
  if (!invocation.flag('dry-run')) await writeFiles(invocation, pushed);
  tellPushed(pushed, context);
  if (context.output.json) context.output.document(pushedDocument(pushed));
  return 0;
}

/** Only of what is really there: no file is written for a push that failed, or was none. */
async function writeFiles(invocation: Invocation, { descriptor, targets }: Pushed): Promise<void> {
  const digestFile = invocation.text('digest-file');
  const metadataFile = invocation.text('metadata-file');
  if (digestFile !== undefined) await writeFileAtomic(digestFile, `${descriptor.digest}\n`);
  if (metadataFile === undefined) return;
  const metadata = {
    'containerimage.descriptor': descriptor,
    'containerimage.digest': descriptor.digest,
    'image.name': targets.map(({ reference }) => reference).join(','),
  };
  await writeFileAtomic(metadataFile, `${writeJson(metadata, { indent: '  ' })}\n`);
}
