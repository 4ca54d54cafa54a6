import { lstat, readdir, realpath, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { MlistError } from '../../errors/errors.ts';
import { isInside } from '../../fs/is-inside.ts';

/** The facts that determine the location of the workspace (docs/workspace.md). */
export interface LocateOptions {
  /** The value of `--workspace`. */
  readonly workspace?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly home: string;
  readonly platform: NodeJS.Platform;
  /** The user ID of the process; undefined on systems without user IDs. */
  readonly uid?: number | undefined;
}

/** The name of the workspace folder in a project. */
export const WORKSPACE_FOLDER = '.mlist';

/**
 * Returns the path of the workspace. In order of precedence, this is the value of `--workspace`, the value of
 * MLIST_WORKSPACE, the closest `.mlist/` in the current folder or a parent of it, or the user's own workspace.
 * @throws MlistError `ERR_MLIST_WORKSPACE` if the closest `.mlist/` belongs to another user, or if a symbolic link in
 * the workspace is broken or leads out of it
 */
export async function locateWorkspace(options: LocateOptions): Promise<string> {
  const chosen = options.workspace ?? options.env['MLIST_WORKSPACE'];
  const own = ownWorkspace(options);
  const isChosen = chosen !== undefined && chosen !== '';
  const folder = isChosen ? resolve(options.cwd, chosen) : ((await projectWorkspace(options)) ?? own);
  // Symbolic links in the user's own workspace are allowed: the user may have moved a part of it to another disk.
  if (folder !== own) await refuseLinksOut(folder);
  return folder;
}

/**
 * Searches for `.mlist/` in the current folder and its parents. The search ends at the home folder, and at the boundary
 * of the file system.
 */
async function projectWorkspace({ cwd, home, uid }: LocateOptions): Promise<string | undefined> {
  const device = await deviceOf(cwd);
  for (let folder = cwd; ; folder = dirname(folder)) {
    const candidate = join(folder, WORKSPACE_FOLDER);
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

/** Refuses a workspace that belongs to another user, who could otherwise determine what this user pushes. */
function refuseForeign(folder: string, owner: number, uid: number | undefined): void {
  if (uid === undefined || owner === uid) return;
  throw new MlistError(
    'ERR_MLIST_WORKSPACE',
    `the workspace ${folder} belongs to another user (user ID ${owner}, not ${uid})`,
    {
      path: folder,
      hint: 'If you trust the workspace, select it with --workspace.',
    },
  );
}

/**
 * Refuses symbolic links that are broken or lead out of the workspace. With such links, a cloned repository could make
 * commands write files elsewhere, and make `prune` remove files there.
 */
async function refuseLinksOut(workspace: string): Promise<void> {
  const blobs = join(workspace, 'blobs');
  const algorithms = (await lstat(blobs).catch(() => undefined))?.isDirectory() === true ? await readdir(blobs) : [];
  const folders = ['drafts', 'blobs', 'layers', 'locks', ...algorithms.map((name) => join('blobs', name))];
  await Promise.all(folders.map((name) => refuseLinkOut(join(workspace, name), workspace)));
}

async function refuseLinkOut(path: string, workspace: string): Promise<void> {
  if ((await lstat(path).catch(() => undefined))?.isSymbolicLink() !== true) return;
  const [place, real] = await Promise.all([realpath(path).catch(() => undefined), realpath(workspace)]);
  if (place !== undefined && isInside(real, place)) return;
  const fault = place === undefined ? 'a broken symbolic link' : `a symbolic link that leads out of ${workspace}`;
  throw new MlistError('ERR_MLIST_WORKSPACE', `${path} is ${fault}`, {
    path,
    hint: 'Replace the link with a folder.',
  });
}

/** Returns the path of the user's own workspace. It is in the operating system's folder for user data. */
export function ownWorkspace({ env, home, platform }: LocateOptions): string {
  if (env['XDG_DATA_HOME']) return join(env['XDG_DATA_HOME'], 'mlist');
  if (platform === 'darwin') return join(home, 'Library', 'Application Support', 'mlist');
  if (platform === 'win32') return join(env['LOCALAPPDATA'] ?? join(home, 'AppData', 'Local'), 'mlist');
  return join(home, '.local', 'share', 'mlist');
}
