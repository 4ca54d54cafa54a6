import { contentOf, find } from '../../index.ts';
import { listFirst, shownName, tooMany } from '../arguments.ts';
import type { Context } from '../context.ts';
import type { Invocation } from '../language.ts';

export async function run(invocation: Invocation, context: Context): Promise<number> {
  const { list, rest } = listFirst(invocation, context);
  if (rest.length > 0) throw tooMany(invocation);
  const found = await find(list, context);
  const { mediaType, digest, size } = contentOf(found).descriptor;
  const { output } = context;
  const ref = shownName(found.reference, context);
  if (output.json) output.document({ from: found.from, ref, mediaType, digest, size });
  else output.line(digest);
  return 0;
}
