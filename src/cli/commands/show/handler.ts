import { show, type ListView, type EntryView } from '../../../operations/inspect/show.ts';
import { onlyList } from '../../args/typed-arguments.ts';
import type { Context } from '../../context.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import { withPlatformForms } from '../../output/platform-forms.ts';
import { renderList } from './render-list.ts';

export async function run(args: ParsedArguments, context: Context): Promise<number> {
  const list = onlyList(args, context);
  const view = await show(list, context);
  if (context.output.json) context.output.document(documentOf(view));
  else renderList(view, { tree: args.flag('tree') }, context.output);
  return 0;
}

/** The result as a document: schemas/output/show.schema.json. */
function documentOf({ from, reference, entries, ...facts }: ListView): object {
  return withPlatformForms({ from, ref: reference, ...facts, entries: entries.map(entryDocument) });
}

function entryDocument({ attestations, ...entry }: EntryView): object {
  return withPlatformForms({ ...entry, attestations: attestations.map(entryDocument) });
}
