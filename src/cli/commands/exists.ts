import { draftName, exitCodes, formatLocation, MlistError, type Found } from '../../index.ts';
import { typedLocation } from '../arguments.ts';
import type { Context } from '../context.ts';
import type { Invocation } from '../language.ts';

export async function run(invocation: Invocation, context: Context): Promise<number> {
  const [name = ''] = invocation.positionals;
  const found = await whereIs(name, context);
  const { output } = context;
  if (output.json) output.document({ exists: found !== undefined, ...found });
  else if (found !== undefined) output.note(['from ', 'dim'], `${found.from} ${found.ref}`);
  return found === undefined ? exitCodes.ERR_MLIST_NOT_FOUND : 0;
}

interface Place {
  readonly from: Found['from'];
  readonly ref: string;
}

async function whereIs(name: string, context: Context): Promise<Place | undefined> {
  const { workspace, homes, signal } = context;
  const list = await draftName(name, workspace);
  if (list !== undefined && (await workspace.find(list)) !== undefined) return { from: 'draft', ref: list };
  const location = typedLocation(name, context);
  try {
    const located = await (await homes()).locate(location, { signal });
    await located.home.resolve(located.name, { signal });
    return { from: location.kind, ref: formatLocation(location) };
  } catch (thrown) {
    if (thrown instanceof MlistError && thrown.code === 'ERR_MLIST_NOT_FOUND') return undefined;
    throw thrown;
  }
}
