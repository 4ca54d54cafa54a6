import { parseListName } from '../../../draft/workspace/draft-file.ts';
import { useDraft } from '../../../operations/drafts/drafts.ts';
import type { Context } from '../../context.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';

export async function run(args: ParsedArguments, { output, workspace }: Context): Promise<number> {
  const current = await useDraft(workspace, parseListName(args.positionals[0] ?? ''));
  if (output.json) output.document({ ref: current });
  else output.note(['current draft ', 'green'], current);
  return 0;
}
