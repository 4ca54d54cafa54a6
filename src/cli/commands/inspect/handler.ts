import { writeJson } from '../../../json/stringify.ts';
import { inspect, inspectVerbose } from '../../../operations/inspect/inspect.ts';
import { listFirst, tooManyArguments, typedName } from '../../args/typed-arguments.ts';
import type { Context } from '../../context.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import { readPlatform } from '../../args/platform-arguments.ts';

export async function run(args: ParsedArguments, context: Context): Promise<number> {
  const { list, rest } = listFirst(args, context);
  const [manifest, ...more] = rest.map((text) => typedName(text, context));
  if (more.length > 0) throw tooManyArguments(args);
  const platform = args.text('platform');
  const choice = { manifest, platform: platform === undefined ? undefined : readPlatform(platform) };
  const { output } = context;
  if (args.flag('verbose')) {
    const verbose = await inspectVerbose(list, choice, context);
    if (output.json) output.document(verbose);
    else output.bytes(Buffer.from(writeJson(verbose, { indent: '\t', goEscapes: true })), '\n');
    return 0;
  }
  const options = { ...context, checkEntries: output.json };
  const { from, reference, content, document, entries, mirror } = await inspect(list, choice, options);
  const { mediaType, digest, size } = content.descriptor;
  if (output.json) output.document({ from, ref: reference, mediaType, digest, size, document, entries, mirror });
  else output.bytes(content.bytes, args.flag('raw') ? '' : '\n');
  return 0;
}
