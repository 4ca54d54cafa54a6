import { MlistError } from '../../errors.ts';
import type { EditPlace } from '../../ops/edit-place.ts';
import { remove } from '../../ops/remove.ts';
import { listBeforeOthers, listFirst, typedName } from '../arguments.ts';
import type { Context } from '../context.ts';
import { runEdit } from '../edit.ts';
import { draftDocument, entryDocument } from '../entry-document.ts';
import type { Invocation } from '../language.ts';
import { readPlatforms } from '../platform-words.ts';
import { withListHint } from '../taken-as-list.ts';

export async function run(invocation: Invocation, context: Context): Promise<number> {
  const platforms = readPlatforms(invocation.texts('platform'));
  const { list, rest } =
    platforms.length === 0 ? listBeforeOthers(invocation, context) : listFirst(invocation, context);
  if (rest.length === 0 && platforms.length === 0) {
    throw new MlistError('ERR_MLIST_USAGE', 'nothing to remove is named', {
      hint: 'Name an entry by source or digest, or use --platform.',
    });
  }
  const manifests = rest.map((text) => typedName(text, context));
  const { output, signal } = context;
  const { edited, pushed } = await withListHint(list, invocation, context, async () =>
    runEdit(list, invocation, context, async (name, { workspace, named, onEvent }: EditPlace) => {
      const meant = await Promise.all(manifests.map(named));
      return remove(name, meant, { workspace, platforms, signal, onEvent });
    }),
  );
  const { draft, removed } = edited;
  if (output.json) output.document({ ...draftDocument(draft), removed: removed.map(entryDocument), pushed });
  return 0;
}
