import { draftName, exitCodes, MlistError, type Found } from '../../index.ts';
import { typedLocation } from '../arguments.ts';
import type { Context } from '../context.ts';
import type { Invocation } from '../language.ts';

export async function run(invocation: Invocation, context: Context): Promise<number> {
  const [name = ''] = invocation.positionals;
  const from = await whereIs(name, context);
  if (context.output.json) context.output.document({ exists: from !== undefined, from });
  else if (from !== undefined) context.output.note(['from ', 'dim'], from);
  return from === undefined ? exitCodes.ERR_MLIST_NOT_FOUND : 0;
}

async function whereIs(name: string, context: Context): Promise<Found['from'] | undefined> {
  const { workspace, homes, signal } = context;
  const list = await draftName(name, workspace);
  if (list !== undefined && (await workspace.find(list)) !== undefined) return 'draft';
  const location = typedLocation(name, context);
  try {
    const located = await (await homes()).locate(location, { signal });
    await located.home.resolve(located.name, { signal });
    return location.kind;
  } catch (thrown) {
    if (thrown instanceof MlistError && thrown.code === 'ERR_MLIST_NOT_FOUND') return undefined;
    throw thrown;
  }
}
