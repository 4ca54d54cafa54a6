import { prune } from '../../../operations/drafts/drafts.ts';
import { counted } from '../../../text/quantity.ts';
import type { Context } from '../../context.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';

export async function run(_args: ParsedArguments, { output, workspace, cache }: Context): Promise<number> {
  const { blobs, leftovers } = await prune(workspace, cache);
  if (output.json) output.document({ removed: blobs, leftovers });
  else output.note(`removed ${counted(blobs.length, 'cached blob')} and ${counted(leftovers, 'leftover file')}`);
  return 0;
}
