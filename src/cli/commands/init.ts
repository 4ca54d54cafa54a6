import { join } from 'node:path';
import { FOLDER as WORKSPACE_FOLDER } from '../../draft/locate.ts';
import { Workspace } from '../../draft/workspace.ts';
import type { Context } from '../context.ts';
import type { Invocation } from '../language.ts';

/** In the current folder, or where `--workspace` says. */
export async function run(invocation: Invocation, { output, cwd, workspace }: Context): Promise<number> {
  const made = invocation.has('workspace') ? workspace : new Workspace(join(cwd, WORKSPACE_FOLDER));
  await made.create({ gitignore: true });
  if (output.json) output.document({ workspace: made.folder });
  else output.note(['workspace ', 'green'], made.folder);
  return 0;
}
