import { ownPlatform } from '../../host/facts.ts';
import { readHost } from '../../host/read.ts';
import { formatPlatform } from '../../oci/platform.ts';
import { resolve } from '../../ops/resolve.ts';
import { listFirst, tooMany } from '../arguments.ts';
import type { Context } from '../context.ts';
import type { Invocation } from '../language.ts';
import { readPlatform } from '../platform-words.ts';

export async function run(invocation: Invocation, context: Context): Promise<number> {
  const { list, rest } = listFirst(invocation, context);
  if (rest.length > 0) throw tooMany(invocation);
  const text = invocation.text('platform');
  const isAssumed = text === undefined;
  const wanted = isAssumed ? ownPlatform(await readHost({ platform: context.platform })) : readPlatform(text);
  const { from, reference, descriptor, platform } = await resolve(list, wanted, { ...context, isAssumed });
  const { output } = context;
  if (output.json)
    output.document({
      from,
      ref: reference,
      platform: platform && formatPlatform(platform, { all: true }),
      descriptor,
    });
  else output.line(descriptor.digest);
  return 0;
}
