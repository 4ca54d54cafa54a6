import { prune } from '../../../operations/drafts/drafts.ts';
import type { Context } from '../../context.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';

export async function run(_args: ParsedArguments, { output, workspace, cache }: Context): Promise<number> {
  const { blobs, leftovers } = await prune(workspace, cache);
  if (output.json) output.document({ removed: blobs, leftovers });
  else output.note(`removed ${blobs.length} cached blobs and ${leftovers} leftover files`);
  return 0;
}
