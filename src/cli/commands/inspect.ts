import { writeJson } from '../../oci/json-write.ts';
import { inspect, inspectVerbose } from '../../ops/inspect.ts';
import { listFirst, tooMany, typedName } from '../arguments.ts';
import type { Context } from '../context.ts';
import type { Invocation } from '../language.ts';
import { readPlatform } from '../platform-words.ts';

export async function run(invocation: Invocation, context: Context): Promise<number> {
  const { list, rest } = listFirst(invocation, context);
  const [manifest, ...more] = rest.map((text) => typedName(text, context));
  if (more.length > 0) throw tooMany(invocation);
  const platform = invocation.text('platform');
  const choice = { manifest, platform: platform === undefined ? undefined : readPlatform(platform) };
  const { output } = context;
  if (invocation.flag('verbose')) {
    const verbose = await inspectVerbose(list, choice, context);
    if (output.json) output.document(verbose);
    else output.bytes(Buffer.from(writeJson(verbose, { indent: '\t', goEscapes: true })), '\n');
    return 0;
  }
  const { from, reference, content, document } = await inspect(list, choice, context);
  const { mediaType, digest, size } = content.descriptor;
  if (output.json) output.document({ from, ref: reference, mediaType, digest, size, document });
  else output.bytes(content.bytes, invocation.flag('raw') ? '' : '\n');
  return 0;
}
