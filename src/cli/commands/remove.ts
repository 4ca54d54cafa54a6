import { MlistError, remove } from '../../index.ts';
import { listBeforeOthers, listFirst, typedName } from '../arguments.ts';
import type { Context } from '../context.ts';
import { runEdit } from '../edit.ts';
import { draftDocument, entryDocument } from '../entry-document.ts';
import type { Invocation } from '../language.ts';
import { readPlatform } from '../platform-words.ts';
import { withListHint } from '../taken-as-list.ts';

export async function run(invocation: Invocation, context: Context): Promise<number> {
  const platform = invocation.text('platform');
  const { list, rest } =
    platform === undefined ? listBeforeOthers(invocation, context) : listFirst(invocation, context);
  if (rest.length === 0 && platform === undefined) {
    throw new MlistError('ERR_MLIST_USAGE', 'nothing to remove is named', {
      hint: 'Name an entry by source or digest, or use --platform.',
    });
  }
  const manifests = rest.map((text) => typedName(text, context));
  const wanted = platform === undefined ? undefined : readPlatform(platform);
  const { output, signal } = context;
  const { edited, pushed } = await withListHint(list, invocation, context, async () =>
    runEdit(list, invocation, context, (name, { workspace, onEvent }) =>
      remove(name, manifests, { workspace, platform: wanted, signal, onEvent }),
    ),
  );
  const { draft, removed } = edited;
  if (output.json) output.document({ ...draftDocument(draft), removed: removed.map(entryDocument), pushed });
  return 0;
}
