import { MlistError } from '../../../errors/errors.ts';
import type { EditTarget } from '../../../operations/edit-target.ts';
import { remove } from '../../../operations/edit/remove.ts';
import { listBeforeOthers, listFirst, typedName } from '../../args/typed-arguments.ts';
import type { Context } from '../../context.ts';
import { runEdit } from '../../args/run-edit.ts';
import { draftDocument, entryDocument } from '../../output/entry-document.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import { readPlatforms } from '../../args/platform-arguments.ts';
import { withListArgumentHint } from '../../args/list-argument.ts';

export async function run(args: ParsedArguments, context: Context): Promise<number> {
  const platforms = readPlatforms(args.texts('platform'));
  const { list, rest } = platforms.length === 0 ? listBeforeOthers(args, context) : listFirst(args, context);
  if (rest.length === 0 && platforms.length === 0) {
    throw new MlistError('ERR_MLIST_USAGE', 'missing argument: MANIFEST or DIGEST', {
      hint: 'Specify an entry by its source or digest, or select entries with --platform.',
    });
  }
  const manifests = rest.map((text) => typedName(text, context));
  const { output, signal } = context;
  const { edited, pushed } = await withListArgumentHint(list, args, context, async () =>
    runEdit(list, args, context, async (name, { workspace, resolveManifest, onEvent }: EditTarget) => {
      const names = await Promise.all(manifests.map(resolveManifest));
      return remove(name, names, { workspace, platforms, signal, onEvent });
    }),
  );
  const { draft, removed } = edited;
  if (output.json) output.document({ ...draftDocument(draft), removed: removed.map(entryDocument), pushed });
  return 0;
}
