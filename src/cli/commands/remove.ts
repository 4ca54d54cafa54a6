import { MlistError, remove } from '../../index.ts';
import { listBeforeOthers, listFirst, optionalList, typedName } from '../arguments.ts';
import type { Context } from '../context.ts';
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
  const { draft, removed } = await withListHint(list, invocation, context, async () =>
    remove(optionalList(list), manifests, {
      workspace: context.workspace,
      platform: platform === undefined ? undefined : readPlatform(platform),
      signal: context.signal,
      onEvent: context.onEvent,
    }),
  );
  if (context.output.json) context.output.document({ ...draftDocument(draft), removed: removed.map(entryDocument) });
  return 0;
}
