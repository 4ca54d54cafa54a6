import { parseListName } from '../../draft/file.ts';
import { useDraft } from '../../ops/drafts.ts';
import type { Context } from '../context.ts';
import type { Invocation } from '../language.ts';

export async function run(invocation: Invocation, { output, workspace }: Context): Promise<number> {
  const current = await useDraft(workspace, parseListName(invocation.positionals[0] ?? ''));
  if (output.json) output.document({ ref: current });
  else output.note(['current draft ', 'green'], current);
  return 0;
}
