import type { Workspace } from '../../../draft/workspace/workspace.ts';
import { MlistError, withHint } from '../../../errors/errors.ts';
import { parseLocation } from '../../../oci/location.ts';
import { formatReference, isRepositoryName } from '../../../oci/reference.ts';
import { listIn } from '../../../operations/lookup.ts';
import {
  deleteReference,
  deleteRepository,
  type Deleted,
  type DeletedRepository,
} from '../../../operations/tags/registry-tags.ts';
import { resolve } from 'node:path';
import { registryReference } from '../../args/typed-arguments.ts';
import type { Context } from '../../context.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';

/** Deletes a tag, a manifest or a repository. There is no default tag, so that no tag is deleted by accident. */
export async function run(args: ParsedArguments, context: Context): Promise<number> {
  const { output } = context;
  const dir = args.text('dir');
  if (dir !== undefined && !args.flag('repository'))
    throw new MlistError('ERR_MLIST_USAGE', '--dir needs --repository');
  const deleted = await (dir === undefined ? deleteFromRegistry(args, context) : deleteFromFolder(dir, args, context));
  if (output.json) output.document(deleted);
  else output.note(['deleted ', 'red'], `${deleted.what} ${deleted.ref}`);
  return 0;
}

async function deleteFromRegistry(
  args: ParsedArguments,
  { stores, signal, workspace }: Context,
): Promise<Deleted | DeletedRepository> {
  const [typed = ''] = args.positionals;
  const reference = registryReference(args);
  const options = { stores: await stores(), signal };
  if (args.flag('repository')) return deleteRepository(reference, options);
  return deleteReference(reference, options).catch(async (thrown: unknown) => {
    throw await withDraftName(thrown, typed, workspace);
  });
}

/** Deletes a repository from the folder of `serve --dir`, even while the registry runs. */
async function deleteFromFolder(
  dir: string,
  { positionals }: ParsedArguments,
  { cwd }: Context,
): Promise<DeletedRepository> {
  const [name = ''] = positionals;
  const { FolderRepositories } = await import('../../../server/folder-repositories.ts');
  if (!isRepositoryName(name)) {
    throw new MlistError('ERR_MLIST_USAGE', `${JSON.stringify(name)} is not the name of a repository`, {
      hint: 'With --dir, pass only the name of the repository, such as team/app, without a registry or tag.',
    });
  }
  const repositories = await FolderRepositories.inFolder(resolve(cwd, dir), { create: false });
  if (await repositories.remove(name)) return { ref: name, what: 'repository' };
  throw new MlistError('ERR_MLIST_NOT_FOUND', `there is no repository ${name} in ${dir}`, { path: dir });
}

/** If the reference was not found but a draft has this name, adds a hint about "mlist rm". */
async function withDraftName(thrown: unknown, typed: string, workspace: Workspace): Promise<unknown> {
  if (!(thrown instanceof MlistError) || thrown.code !== 'ERR_MLIST_NOT_FOUND') return thrown;
  const list = listIn(parseLocation(typed));
  if (list === undefined || (await workspace.find(list)) === undefined) return thrown;
  const hint = `A draft has this name. Use "mlist rm ${formatReference(list)}" to remove it.`;
  return withHint(thrown, hint);
}
