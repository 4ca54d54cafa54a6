import { resolve } from 'node:path';
import { isDigest, MlistError, push, writeFileAtomic, writeJson, type Format, type Pushed } from '../../index.ts';
import { listFirst, optionalList, shownName, tooMany, typedName } from '../arguments.ts';
import type { Context } from '../context.ts';
import type { Invocation } from '../language.ts';
import { readPlatforms } from '../platform-words.ts';
import { planDocument, renderPlan } from '../render-plan.ts';

export async function run(invocation: Invocation, context: Context): Promise<number> {
  const { list, rest } = listFirst(invocation, context);
  if (rest.length > 0) throw tooMany(invocation);
  const ifDigest = invocation.text('if-digest');
  if (ifDigest !== undefined && !isDigest(ifDigest))
    throw new MlistError('ERR_MLIST_USAGE', `--if-digest takes a digest, not ${JSON.stringify(ifDigest)}`);
  const pushed = await push(optionalList(list), {
    workspace: context.workspace,
    homes: await context.homes(),
    tags: invocation.texts('tag').map((text) => typedName(text, context)),
    to: invocation.texts('to').map((text) => typedName(text, context)),
    format: invocation.text('format') as Format | undefined,
    expect: readPlatforms(invocation.texts('expect')),
    ifDigest,
    allowDuplicates: invocation.flag('allow-duplicates'),
    strict: invocation.flag('strict'),
    force: invocation.flag('force'),
    dryRun: invocation.flag('dry-run'),
    purge: invocation.flag('purge'),
    signal: context.signal,
    onEvent: context.onEvent,
  });
  if (!invocation.flag('dry-run')) await writeFiles(invocation, pushed, context.cwd);
  tell(pushed, context);
  return 0;
}

/** Only of what is really there: no file is written for a push that failed, or was none. */
async function writeFiles(invocation: Invocation, { descriptor, targets }: Pushed, cwd: string): Promise<void> {
  const digestFile = invocation.text('digest-file');
  const metadataFile = invocation.text('metadata-file');
  if (digestFile !== undefined) await writeFileAtomic(resolve(cwd, digestFile), `${descriptor.digest}\n`);
  if (metadataFile === undefined) return;
  const metadata = {
    'containerimage.descriptor': descriptor,
    'containerimage.digest': descriptor.digest,
    'image.name': targets.map(({ reference }) => reference).join(','),
  };
  await writeFileAtomic(resolve(cwd, metadataFile), `${writeJson(metadata, { indent: '  ' })}\n`);
}

function tell({ list, descriptor, targets, purged }: Pushed, context: Context): void {
  const { output } = context;
  for (const target of targets) {
    const reference = shownName(target.reference, context);
    if (target.status === 'planned' && target.plan !== undefined) renderPlan(reference, target.plan, output);
    if (target.status === 'unchanged')
      output.note(['unchanged ', 'dim'], `${reference} has ${descriptor.digest} already`);
  }
  if (!output.json) return output.line(descriptor.digest);
  const { mediaType, digest, size } = descriptor;
  output.document({
    list,
    mediaType,
    digest,
    size,
    purged,
    targets: targets.map(({ reference, status, before, plan }) => ({
      reference,
      status,
      before,
      plan: plan && planDocument(plan),
    })),
  });
}
