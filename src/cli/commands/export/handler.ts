import { exportSpec } from '../../../operations/export/export.ts';
import { writeYaml } from '../../../schema/yaml.ts';
import { onlyList } from '../../args/typed-arguments.ts';
import type { Context } from '../../context.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';

export async function run(args: ParsedArguments, context: Context): Promise<number> {
  const list = onlyList(args, context);
  const spec = await exportSpec(list, { ...context, as: args.text('as') });
  if (context.output.json) context.output.document(spec);
  else context.output.bytes(Buffer.from(await writeYaml(spec)), '');
  return 0;
}
