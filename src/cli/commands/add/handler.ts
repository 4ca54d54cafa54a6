import { add } from '../../../operations/edit/add.ts';
import { currentList } from '../../../operations/current-draft.ts';
import { listBeforeOthers, manifestArgument, optionalList } from '../../args/typed-arguments.ts';
import type { Context } from '../../context.ts';
import { runEdit } from '../../args/run-edit.ts';
import { changeDocument, draftDocument } from '../../output/entry-document.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import { sourceChoices } from '../../args/source-choices.ts';
import { withListArgumentHint } from '../../args/list-argument.ts';

export async function run(args: ParsedArguments, context: Context): Promise<number> {
  const { list, rest } = listBeforeOthers(args, context);
  const { output, signal } = context;
  const stores = await context.stores();
  const { edited, pushed } = await withListArgumentHint(list, args, context, async () => {
    const target = optionalList(list) ?? (await currentList(context.workspace));
    const manifests = rest.map((text) => manifestArgument(text, context, target));
    return runEdit(list, args, context, (name, { workspace, onEvent }) =>
      add(name, manifests, {
        ...sourceChoices(args, context),
        workspace,
        stores,
        keep: args.flag('keep'),
        signal,
        onEvent,
      }),
    );
  });
  const { draft, changes, changed } = edited;
  if (output.json) output.document({ ...draftDocument(draft), changed, changes: changes.map(changeDocument), pushed });
  return 0;
}
