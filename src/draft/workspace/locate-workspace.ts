import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { MlistError } from '../../errors/errors.ts';

/** Where the workspace is (docs/workspace.md). */
export interface LocateOptions {
  /** `--workspace`. */
  readonly workspace?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly home: string;
  readonly platform: NodeJS.Platform;
  /** User id; undefined where the system has none. */
  readonly uid?: number | undefined;
}

/** The folder of a project's own workspace. */
export const FOLDER = '.mlist';

/**
 * `--workspace`, then MLIST_WORKSPACE, then the nearest `.mlist/` upwards, then the user's own.
 * @throws MlistError `ERR_MLIST_WORKSPACE` where the nearest one belongs to somebody else
 */
export async function locateWorkspace(options: LocateOptions): Promise<string> {
  const chosen = options.workspace ?? options.env['MLIST_WORKSPACE'];
  if (chosen !== undefined && chosen !== '') return resolve(options.cwd, chosen);
  return (await nearest(options)) ?? userWorkspace(options);
}

/** Upwards from the current folder, as far as the home folder or the edge of the file system. */
async function nearest({ cwd, home, uid }: LocateOptions): Promise<string | undefined> {
  const device = await deviceOf(cwd);
  for (let folder = cwd; ; folder = dirname(folder)) {
    const candidate = join(folder, FOLDER);
    const info = await stat(candidate).catch(() => undefined);
    if (info?.isDirectory()) {
      refuseForeign(candidate, info.uid, uid);
      return candidate;
    }
    const isTop = folder === home || folder === dirname(folder);
    if (isTop || (await deviceOf(dirname(folder))) !== device) return undefined;
  }
}

async function deviceOf(folder: string): Promise<number | undefined> {
  return (await stat(folder).catch(() => undefined))?.dev;
}

/** Somebody else's drafts say what this user would push. */
function refuseForeign(folder: string, owner: number, uid: number | undefined): void {
  if (uid === undefined || owner === uid) return;
  throw new MlistError(
    'ERR_MLIST_WORKSPACE',
    `the workspace ${folder} belongs to another user (${owner}, not ${uid})`,
    {
      path: folder,
      hint: 'If you trust it, name it with --workspace.',
    },
  );
}

/** The convention of each system for data of a user. */
function userWorkspace({ env, home, platform }: LocateOptions): string {
  if (env['XDG_DATA_HOME']) return join(env['XDG_DATA_HOME'], 'mlist');
  if (platform === 'darwin') return join(home, 'Library', 'Application Support', 'mlist');
  if (platform === 'win32') return join(env['LOCALAPPDATA'] ?? join(home, 'AppData', 'Local'), 'mlist');
  return join(home, '.local', 'share', 'mlist');
}
