import { exitCodes } from '../../errors.ts';
import { diff, type DiffSide } from '../../ops/diff.ts';
import { listFirst, tooMany } from '../arguments.ts';
import type { Context } from '../context.ts';
import type { Invocation } from '../language.ts';
import { renderDiff } from '../render-diff.ts';

export async function run(invocation: Invocation, context: Context): Promise<number> {
  const { list, rest } = listFirst(invocation, context);
  const [against, ...more] = rest;
  if (more.length > 0) throw tooMany(invocation);
  const compared = await diff(list, against, context);
  const { before, after, verdict, list: members, entries } = compared;
  if (context.output.json)
    context.output.document({
      before: sideDocument(before),
      after: sideDocument(after),
      verdict,
      list: members,
      entries,
    });
  else renderDiff(compared, context.output);
  return invocation.flag('exit-code') && verdict !== 'same' ? exitCodes.ERR_MLIST_DIFFERS : 0;
}

function sideDocument({ from, reference, digest }: DiffSide): object {
  return { from, ref: reference, digest };
}
