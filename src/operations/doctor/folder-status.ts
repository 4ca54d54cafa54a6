import { access, constants, readdir, stat, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { locateWorkspace, ownWorkspace } from '../../draft/workspace/locate-workspace.ts';
import { asMlistError, errorCode } from '../../errors/errors.ts';
import { isNotFound, readReason } from '../../fs/file-errors.ts';
import { dockerConfigPath } from '../../store/registry/credentials/stored-credentials.ts';
import type { DiagnosisOptions } from './diagnosis-options.ts';

/** A folder that mlist writes to. */
export interface FolderStatus {
  readonly purpose: 'temporary files' | 'credentials';
  readonly path: string;
  readonly exists: boolean;
  /** Whether mlist can write files to the folder or, if it does not exist, create it. */
  readonly writable: boolean;
  /** Free space in bytes; undefined if it is unknown. */
  readonly freeBytes?: number | undefined;
  readonly problem?: string | undefined;
}

export interface WorkspaceStatus extends Partial<Omit<FolderStatus, 'purpose'>> {
  /** The setting or rule that determined the location. */
  readonly from?: '--workspace' | 'MLIST_WORKSPACE' | 'project' | 'user' | undefined;
  /**
   * The number of draft files; undefined if the workspace is refused, or if the folder of the drafts cannot be read.
   */
  readonly drafts?: number | undefined;
}

/** Examines the workspace that commands would use. If it is refused, only `problem` is set. */
export async function examineWorkspace(options: DiagnosisOptions): Promise<WorkspaceStatus> {
  let path: string;
  try {
    path = await locateWorkspace(options);
  } catch (thrown) {
    return { problem: asMlistError(thrown).message };
  }
  const found = path === ownWorkspace(options) ? 'user' : 'project';
  const chosen = options.env['MLIST_WORKSPACE'] ? 'MLIST_WORKSPACE' : found;
  return {
    from: options.workspace ? '--workspace' : chosen,
    ...(await examineFolder(path)),
    drafts: await countDrafts(path),
  };
}

/** Returns the number of draft files: 0 if their folder does not exist, undefined if it cannot be read. */
async function countDrafts(workspace: string): Promise<number | undefined> {
  try {
    return (await readdir(join(workspace, 'drafts'))).filter((name) => name.endsWith('.json')).length;
  } catch (thrown) {
    return isNotFound(thrown) ? 0 : undefined;
  }
}

export async function examineFolders(options: DiagnosisOptions): Promise<readonly FolderStatus[]> {
  const { env, home } = options;
  return Promise.all([
    examineFolder(tmpdir()).then((status): FolderStatus => ({ purpose: 'temporary files', ...status })),
    examineFolder(dirname(options.authFile ?? dockerConfigPath({ env, home }))).then((status): FolderStatus => ({
      purpose: 'credentials',
      ...status,
    })),
  ]);
}

async function examineFolder(path: string): Promise<Omit<FolderStatus, 'purpose'>> {
  const found = await stat(path).catch((thrown: unknown) => (isNotFound(thrown) ? undefined : { thrown }));
  const exists = found !== undefined;
  if (found !== undefined && 'thrown' in found)
    return { path, exists, writable: false, problem: readReason(found.thrown) };
  if (found?.isDirectory() === false) return { path, exists, writable: false, problem: 'it is not a folder' };
  const existing = exists ? path : await closestParent(path);
  const reason = await access(existing, constants.W_OK | constants.X_OK).then(
    () => undefined,
    (thrown: unknown) => (errorCode(thrown) === 'EROFS' ? 'its file system is read-only' : readReason(thrown)),
  );
  const { bavail, bsize } = await statfs(existing).catch(() => ({ bavail: undefined, bsize: 0 }));
  return {
    path,
    exists,
    writable: reason === undefined,
    freeBytes: bavail === undefined ? undefined : bavail * bsize,
    problem: reason === undefined ? undefined : `${exists ? 'not writable' : 'cannot be created'}: ${reason}`,
  };
}

async function closestParent(path: string): Promise<string> {
  const parent = dirname(path);
  if (parent === path) return path;
  return stat(parent).then(
    () => parent,
    () => closestParent(parent),
  );
}
