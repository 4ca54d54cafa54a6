import { contentOf, lookup, mirrorIn } from '../../../operations/lookup.ts';
import { onlyList } from '../../args/typed-arguments.ts';
import type { Context } from '../../context.ts';
import { waitTime } from '../../args/duration.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';

export async function run(args: ParsedArguments, context: Context): Promise<number> {
  const list = onlyList(args, context);
  const found = await lookup(list, { ...context, waitForSourceMs: waitTime(args, 'wait') });
  const { mediaType, digest, size } = contentOf(found).descriptor;
  const { output } = context;
  if (output.json)
    output.document({ from: found.from, ref: found.reference, mediaType, digest, size, ...mirrorIn(found) });
  else output.line(digest);
  return 0;
}
