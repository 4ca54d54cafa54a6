import { exportSpec } from '../../../operations/export/export.ts';
import { writeYaml } from '../../../schema/yaml.ts';
import { listFirst, tooManyArguments } from '../../args/typed-arguments.ts';
import type { Context } from '../../context.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';

export async function run(args: ParsedArguments, context: Context): Promise<number> {
  const { list, rest } = listFirst(args, context);
  if (rest.length > 0) throw tooManyArguments(args);
  const spec = await exportSpec(list, {
    workspace: context.workspace,
    cache: context.cache,
    stores: context.stores,
    as: args.text('as'),
    signal: context.signal,
    onEvent: context.onEvent,
  });
  if (context.output.json) context.output.document(spec);
  else context.output.bytes(Buffer.from(await writeYaml(spec)), '');
  return 0;
}
