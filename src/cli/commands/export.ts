import { exportSpec } from '../../ops/export.ts';
import { writeYaml } from '../../schema/yaml.ts';
import { listFirst, tooMany } from '../arguments.ts';
import type { Context } from '../context.ts';
import type { Invocation } from '../language.ts';

export async function run(invocation: Invocation, context: Context): Promise<number> {
  const { list, rest } = listFirst(invocation, context);
  if (rest.length > 0) throw tooMany(invocation);
  const spec = await exportSpec(list, {
    workspace: context.workspace,
    cache: context.cache,
    homes: context.homes,
    as: invocation.text('as'),
    signal: context.signal,
    onEvent: context.onEvent,
  });
  if (context.output.json) context.output.document(spec);
  else context.output.bytes(Buffer.from(await writeYaml(spec)), '');
  return 0;
}
