import { show } from '../../ops/show.ts';
import { listFirst, tooMany } from '../arguments.ts';
import type { Context } from '../context.ts';
import type { Invocation } from '../language.ts';
import { renderList } from '../render-list.ts';

export async function run(invocation: Invocation, context: Context): Promise<number> {
  const { list, rest } = listFirst(invocation, context);
  if (rest.length > 0) throw tooMany(invocation);
  const view = await show(list, context);
  const { from, reference, ...facts } = view;
  if (context.output.json) context.output.document({ from, ref: reference, ...facts });
  else renderList(view, { tree: invocation.flag('tree') }, context.output);
  return 0;
}
