import { draftName, exitCodes, MlistError, parseLocation, nameIn } from '../../index.ts';
import type { Context } from '../context.ts';
import type { Invocation } from '../language.ts';

export async function run(invocation: Invocation, context: Context): Promise<number> {
  const [name = ''] = invocation.positionals;
  const from = await whereIs(name, context);
  if (context.output.json) context.output.document({ exists: from !== undefined, from });
  else if (from !== undefined) context.output.note(['from ', 'dim'], from);
  return from === undefined ? exitCodes.ERR_MLIST_NOT_FOUND : 0;
}

async function whereIs(name: string, { workspace, homes, signal }: Context): Promise<'draft' | 'registry' | undefined> {
  const list = await draftName(name, workspace);
  if (list !== undefined && (await workspace.find(list)) !== undefined) return 'draft';
  const location = parseLocation(name);
  try {
    await (await homes()).source(location).resolve(nameIn(location), { signal });
    return 'registry';
  } catch (thrown) {
    if (thrown instanceof MlistError && thrown.code === 'ERR_MLIST_NOT_FOUND') return undefined;
    throw thrown;
  }
}
