import { show, type ListView } from '../../index.ts';
import { listFirst, shownEntry, shownName, tooMany } from '../arguments.ts';
import type { Context } from '../context.ts';
import type { Invocation } from '../language.ts';
import { renderList } from '../render-list.ts';

/** For people, sources begin where they are. */
function shown(view: ListView, context: Context): ListView {
  const entries = view.entries.map(({ source, ...entry }) =>
    source === undefined ? entry : shownEntry({ ...entry, source }, context),
  );
  return { ...view, entries };
}

export async function run(invocation: Invocation, context: Context): Promise<number> {
  const { list, rest } = listFirst(invocation, context);
  if (rest.length > 0) throw tooMany(invocation);
  const { reference, ...view } = await show(list, context);
  const ref = shownName(reference, context);
  const { from, ...facts } = view;
  if (context.output.json) context.output.document({ from, ref, ...facts });
  else renderList(shown({ ...view, reference: ref }, context), { tree: invocation.flag('tree') }, context.output);
  return 0;
}
