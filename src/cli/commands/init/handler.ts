import { join } from 'node:path';
import { WORKSPACE_FOLDER as WORKSPACE_FOLDER } from '../../../draft/workspace/locate-workspace.ts';
import { Workspace } from '../../../draft/workspace/workspace.ts';
import type { Context } from '../../context.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';

/** In the current folder, or where `--workspace` says. */
export async function run(invocation: ParsedArguments, { output, cwd, workspace }: Context): Promise<number> {
  const made = invocation.has('workspace') ? workspace : new Workspace(join(cwd, WORKSPACE_FOLDER));
  await made.create({ gitignore: true });
  if (output.json) output.document({ workspace: made.folder });
  else output.note(['workspace ', 'green'], made.folder);
  return 0;
}
