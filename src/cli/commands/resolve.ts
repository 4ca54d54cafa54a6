import { resolve } from '../../index.ts';
import { listFirst, shownName, tooMany } from '../arguments.ts';
import type { Context } from '../context.ts';
import type { Invocation } from '../language.ts';
import { readPlatform } from '../platform-words.ts';

export async function run(invocation: Invocation, context: Context): Promise<number> {
  const { list, rest } = listFirst(invocation, context);
  if (rest.length > 0) throw tooMany(invocation);
  const platform = invocation.text('platform');
  const { from, reference, descriptor } = await resolve(
    list,
    platform === undefined ? undefined : readPlatform(platform),
    context,
  );
  const { output } = context;
  if (output.json) output.document({ from, ref: shownName(reference, context), descriptor });
  else output.line(descriptor.digest);
  return 0;
}
