import { resolve } from 'node:path';
import type { Workspace } from '../../draft/workspace/workspace.ts';
import { asMlistError, withFurtherHint } from '../../errors/errors.ts';
import { isInside } from '../../fs/is-inside.ts';
import type { ParsedArguments } from './command-declaration.ts';

const WORKSPACE = 'Choose another folder for the drafts with --workspace or MLIST_WORKSPACE.';
const CREDENTIALS = 'Choose another file for the credentials with --authfile, or another folder with DOCKER_CONFIG.';

interface Folders {
  readonly workspace: Workspace;
  readonly cwd: string;
}

/**
 * If the workspace cannot be used, or `login` or `logout` cannot use the credentials file, adds a hint about how to
 * choose another location. CI jobs and containers often cannot write to the home folder, where both are stored by
 * default. No hint is added if the path in the error was given with an argument other than `--workspace` and
 * `--authfile`, because that argument is then the problem.
 */
export function withDraftHint(thrown: unknown, args: ParsedArguments, { workspace, cwd }: Folders): unknown {
  const error = asMlistError(thrown);
  const { path } = error.facts;
  const isLogin = error.code === 'ERR_MLIST_CREDENTIALS' && error.hint === undefined;
  if ((error.code !== 'ERR_MLIST_FILE' && !isLogin) || path === undefined) return thrown;
  const isPath = (typed: string) => resolve(cwd, typed) === resolve(cwd, path);
  if (args.typed(['workspace', 'authfile']).some(isPath)) return thrown;
  const { folder } = workspace;
  const hint = isInside(folder, path) || isInside(path, folder) ? WORKSPACE : credentialHint(args);
  return hint === undefined ? thrown : withFurtherHint(error, hint);
}

function credentialHint({ command }: ParsedArguments): string | undefined {
  return ['login', 'logout'].includes(command.name) ? CREDENTIALS : undefined;
}
