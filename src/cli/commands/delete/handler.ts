import type { Workspace } from '../../../draft/workspace/workspace.ts';
import { MlistError, withHint } from '../../../errors/errors.ts';
import { parseLocation } from '../../../oci/location.ts';
import { formatReference } from '../../../oci/reference.ts';
import { listIn } from '../../../operations/lookup.ts';
import { deleteReference } from '../../../operations/tags/registry-tags.ts';
import { registryReference } from '../../args/typed-arguments.ts';
import type { Context } from '../../context.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';

/** No tag is taken for granted here: what is deleted must have been named. */
export async function run(
  invocation: ParsedArguments,
  { stores, signal, output, workspace }: Context,
): Promise<number> {
  const [typed = ''] = invocation.positionals;
  const reference = registryReference(invocation);
  const deleted = await deleteReference(reference, { stores: await stores(), signal }).catch(
    async (thrown: unknown) => {
      throw await withDraft(thrown, typed, workspace);
    },
  );
  if (output.json) output.document(deleted);
  else output.note(['deleted ', 'red'], `${deleted.what} ${deleted.ref}`);
  return 0;
}

/** Who names a draft that is nowhere else may mean the draft. */
async function withDraft(thrown: unknown, typed: string, workspace: Workspace): Promise<unknown> {
  if (!(thrown instanceof MlistError) || thrown.code !== 'ERR_MLIST_NOT_FOUND') return thrown;
  const list = listIn(parseLocation(typed));
  if (list === undefined || (await workspace.find(list)) === undefined) return thrown;
  const hint = `There is a draft of that name: "mlist rm ${formatReference(list)}" removes it.`;
  return withHint(thrown, hint);
}
