import { add } from '../../index.ts';
import { listBeforeOthers, manifestArgument, optionalList } from '../arguments.ts';
import type { Context } from '../context.ts';
import { changeDocument, draftDocument } from '../entry-document.ts';
import type { Invocation } from '../language.ts';
import { withListHint } from '../taken-as-list.ts';

export async function run(invocation: Invocation, context: Context): Promise<number> {
  const { list, rest } = listBeforeOthers(invocation, context);
  const manifests = rest.map((text) => manifestArgument(text, context));
  const homes = await context.homes();
  const { draft, changes, changed } = await withListHint(list, invocation, context, async () =>
    add(optionalList(list), manifests, {
      workspace: context.workspace,
      homes,
      keep: invocation.flag('keep'),
      signal: context.signal,
      onEvent: context.onEvent,
    }),
  );
  const { output } = context;
  if (output.json) output.document({ ...draftDocument(draft), changed, changes: changes.map(changeDocument) });
  return 0;
}
