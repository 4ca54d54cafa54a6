import { join } from 'node:path';
import { WORKSPACE_FOLDER } from '../../../draft/workspace/locate-workspace.ts';
import { Workspace } from '../../../draft/workspace/workspace.ts';
import type { Context } from '../../context.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';

/** Creates the workspace: `.mlist/` in the current folder, or the folder given with `--workspace`. */
export async function run(args: ParsedArguments, { output, cwd, workspace }: Context): Promise<number> {
  const created = args.has('workspace') ? workspace : new Workspace(join(cwd, WORKSPACE_FOLDER));
  await created.create({ gitignore: true });
  if (output.json) output.document({ workspace: created.folder });
  else output.note(['workspace ', 'green'], created.folder);
  return 0;
}
