import type { Workspace } from '../../../draft/workspace/workspace.ts';
import { MlistError, withHint } from '../../../errors/errors.ts';
import { parseLocation } from '../../../oci/location.ts';
import { formatReference } from '../../../oci/reference.ts';
import { listIn } from '../../../operations/lookup.ts';
import { deleteReference } from '../../../operations/tags/registry-tags.ts';
import { registryReference } from '../../args/typed-arguments.ts';
import type { Context } from '../../context.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';

/** There is no default tag: the tag or digest to delete must be explicit. */
export async function run(args: ParsedArguments, { stores, signal, output, workspace }: Context): Promise<number> {
  const [typed = ''] = args.positionals;
  const reference = registryReference(args);
  const deleted = await deleteReference(reference, { stores: await stores(), signal }).catch(
    async (thrown: unknown) => {
      throw await withDraftName(thrown, typed, workspace);
    },
  );
  if (output.json) output.document(deleted);
  else output.note(['deleted ', 'red'], `${deleted.what} ${deleted.ref}`);
  return 0;
}

/** Adds a hint if a draft has the name that was not found in the registry. */
async function withDraftName(thrown: unknown, typed: string, workspace: Workspace): Promise<unknown> {
  if (!(thrown instanceof MlistError) || thrown.code !== 'ERR_MLIST_NOT_FOUND') return thrown;
  const list = listIn(parseLocation(typed));
  if (list === undefined || (await workspace.find(list)) === undefined) return thrown;
  const hint = `A draft has this name. Use "mlist rm ${formatReference(list)}" to remove it.`;
  return withHint(thrown, hint);
}
