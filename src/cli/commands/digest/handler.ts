import { contentOf, lookup, mirrorIn } from '../../../operations/lookup.ts';
import { listFirst, tooManyArguments } from '../../args/typed-arguments.ts';
import type { Context } from '../../context.ts';
import { waitTime } from '../../args/duration.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';

export async function run(invocation: ParsedArguments, context: Context): Promise<number> {
  const { list, rest } = listFirst(invocation, context);
  if (rest.length > 0) throw tooManyArguments(invocation);
  const found = await lookup(list, { ...context, waitForSourceMs: waitTime(invocation, 'wait') });
  const { mediaType, digest, size } = contentOf(found).descriptor;
  const { output } = context;
  if (output.json)
    output.document({ from: found.from, ref: found.reference, mediaType, digest, size, ...mirrorIn(found) });
  else output.line(digest);
  return 0;
}
