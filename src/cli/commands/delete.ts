import { deleteReference, parseReference } from '../../index.ts';
import type { Context } from '../context.ts';
import type { Invocation } from '../language.ts';

/** No tag is taken for granted here: what is deleted must have been named. */
export async function run(invocation: Invocation, { homes, signal, output }: Context): Promise<number> {
  const reference = parseReference((invocation.positionals[0] ?? '').replace(/^docker:\/\//, ''));
  const deleted = await deleteReference(reference, { homes: await homes(), signal });
  if (output.json) output.document(deleted);
  else output.note(['deleted ', 'red'], `${deleted.what} ${deleted.ref}`);
  return 0;
}
