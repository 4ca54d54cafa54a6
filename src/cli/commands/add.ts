import { parseListName } from '../../draft/file.ts';
import { add } from '../../ops/add.ts';
import { currentList } from '../../ops/current.ts';
import { listBeforeOthers, manifestArgument } from '../arguments.ts';
import type { Context } from '../context.ts';
import { runEdit } from '../edit.ts';
import { changeDocument, draftDocument } from '../entry-document.ts';
import type { Invocation } from '../language.ts';
import { sourceChoices } from '../source-choices.ts';
import { withListHint } from '../taken-as-list.ts';

export async function run(invocation: Invocation, context: Context): Promise<number> {
  const { list, rest } = listBeforeOthers(invocation, context);
  const { output, signal } = context;
  const homes = await context.homes();
  const { edited, pushed } = await withListHint(list, invocation, context, async () => {
    const target = parseListName(list ?? (await currentList(context.workspace)));
    const manifests = rest.map((text) => manifestArgument(text, context, target));
    return runEdit(list, invocation, context, (name, { workspace, onEvent }) =>
      add(name, manifests, {
        ...sourceChoices(invocation),
        workspace,
        homes,
        keep: invocation.flag('keep'),
        signal,
        onEvent,
      }),
    );
  });
  const { draft, changes, changed } = edited;
  if (output.json) output.document({ ...draftDocument(draft), changed, changes: changes.map(changeDocument), pushed });
  return 0;
}
