import { contentOf, find } from '../../ops/read.ts';
import { listFirst, tooMany } from '../arguments.ts';
import type { Context } from '../context.ts';
import { waitTime } from '../duration.ts';
import type { Invocation } from '../language.ts';

export async function run(invocation: Invocation, context: Context): Promise<number> {
  const { list, rest } = listFirst(invocation, context);
  if (rest.length > 0) throw tooMany(invocation);
  const found = await find(list, { ...context, waitForSourceMs: waitTime(invocation, 'wait') });
  const { mediaType, digest, size } = contentOf(found).descriptor;
  const { output } = context;
  if (output.json) output.document({ from: found.from, ref: found.reference, mediaType, digest, size });
  else output.line(digest);
  return 0;
}
