import { show } from '../../../operations/inspect/show.ts';
import { onlyList } from '../../args/typed-arguments.ts';
import type { Context } from '../../context.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import { renderList } from './render-list.ts';

export async function run(args: ParsedArguments, context: Context): Promise<number> {
  const list = onlyList(args, context);
  const view = await show(list, context);
  const { from, reference, ...facts } = view;
  if (context.output.json) context.output.document({ from, ref: reference, ...facts });
  else renderList(view, { tree: args.flag('tree') }, context.output);
  return 0;
}
