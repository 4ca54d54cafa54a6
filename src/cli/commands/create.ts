import { create, currentList, MlistError, parseListName, type Format, type ManifestArgument } from '../../index.ts';
import { listChange, listFirst, manifestArgument } from '../arguments.ts';
import type { Context } from '../context.ts';
import { changeDocument, draftDocument } from '../entry-document.ts';
import type { Invocation } from '../language.ts';
import { usage } from '../parse.ts';
import { readPlatforms } from '../platform-words.ts';
import { readSources } from '../source-file.ts';

export async function run(invocation: Invocation, context: Context): Promise<number> {
  const { list: name, rest: manifests } = listFirst(invocation, context);
  const amend = invocation.flag('amend');
  if (name === undefined && !amend) throw usage(invocation.command, 'create takes the name of the list');
  const list = parseListName(name ?? (await currentList(context.workspace)));
  const files = await Promise.all(invocation.texts('file').map((file) => readSources(file, list, context)));
  const sources: readonly ManifestArgument[] = [
    ...manifests.map((text) => manifestArgument(text, context)),
    ...files.flat(),
  ];
  const replace = invocation.flag('replace');
  if (replace && amend) throw usage(invocation.command, '--amend and --replace exclude each other');
  const isEmptyFile = files.length > 0 && sources.length === 0;
  if (isEmptyFile) throw new MlistError('ERR_MLIST_USAGE', `${invocation.texts('file').join(', ')} names no sources`);
  if (replace && sources.length === 0)
    throw usage(invocation.command, '--replace takes all images that the list is to have: none is named');
  const created = await create(list, sources, {
    workspace: context.workspace,
    homes: await context.homes(),
    amend,
    replace,
    format: invocation.text('format') as Format | undefined,
    platforms: readPlatforms(invocation.texts('platform')),
    attestations: invocation.text('attestations') as 'keep' | 'drop' | undefined,
    listChange: listChange(invocation),
    signal: context.signal,
    onEvent: context.onEvent,
  });
  const { output } = context;
  if (output.json) {
    output.document({
      ...draftDocument(created.draft),
      changed: created.changed,
      changes: created.changes.map(changeDocument),
    });
  } else {
    output.line(`Created manifest list ${created.list}`);
  }
  return 0;
}
