import { prune } from '../../ops/drafts.ts';
import type { Context } from '../context.ts';
import type { Invocation } from '../language.ts';

export async function run(_invocation: Invocation, { output, workspace, cache }: Context): Promise<number> {
  const { blobs, leftovers } = await prune(workspace, cache);
  if (output.json) output.document({ removed: blobs, leftovers });
  else output.note(`removed ${blobs.length} cached blobs and ${leftovers} leftovers`);
  return 0;
}
