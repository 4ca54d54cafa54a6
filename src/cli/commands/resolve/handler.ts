import { ownPlatform } from '../../../host/host-facts.ts';
import { readHost } from '../../../host/read-host.ts';
import { formatPlatform } from '../../../oci/platform/platform.ts';
import { resolve } from '../../../operations/resolve/resolve.ts';
import { onlyList } from '../../args/typed-arguments.ts';
import type { Context } from '../../context.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import { readPlatform } from '../../args/platform-arguments.ts';
import { withPlatformForms } from '../../output/platform-forms.ts';

export async function run(args: ParsedArguments, context: Context): Promise<number> {
  const list = onlyList(args, context);
  const text = args.text('platform');
  const isAssumed = text === undefined;
  const requested = isAssumed ? ownPlatform(await readHost({ platform: context.platform })) : readPlatform(text);
  const { from, reference, descriptor, platform, mirror } = await resolve(list, requested, { ...context, isAssumed });
  const { output } = context;
  if (output.json)
    output.document(
      withPlatformForms({
        from,
        ref: reference,
        platform: platform && formatPlatform(platform, { all: true }),
        descriptor: withPlatformForms(descriptor),
        mirror,
      }),
    );
  else output.line(descriptor.digest);
  return 0;
}
