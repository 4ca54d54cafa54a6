import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage, MlistError, withNextStep } from '../../errors/errors.ts';
import { readFailure } from '../../fs/file-errors.ts';
import { removeStaleTemporaries } from '../../fs/atomic.ts';
import { isInside } from '../../fs/is-inside.ts';
import { STALE_MS } from '../../store/layout/blob-folder.ts';
import type { Garbage, GarbageOptions } from '../../store/layout/garbage.ts';
import { HEADER_FILE } from '../../store/layout/layout-header.ts';
import { openLayout } from '../../store/layout/open-layout.ts';
import { nameIn } from '../repository-folder.ts';

export interface CollectedRepository extends Garbage {
  /** The name of the repository. For a single layout, the path of its folder. */
  readonly name: string;
}

export interface FolderGarbage {
  /** The repositories from which something was removed. */
  readonly removed: readonly CollectedRepository[];
  /** The number of bytes that were freed. */
  readonly bytes: number;
  /** Repositories whose garbage could not be collected. */
  readonly skipped: readonly { readonly name: string; readonly message: string }[];
}

/**
 * Removes unreferenced content from a layout, or from all layouts in the folder of a registry. The registry may be
 * running. A repository whose garbage cannot be collected is skipped and reported in the result. With `dryRun`, nothing
 * is removed, and the result states what would be.
 * @throws MlistError `ERR_MLIST_NOT_FOUND` if the folder does not exist, or has files but no layouts
 * @throws the abort reason if `options.signal` is aborted
 */
export async function collectFolder(dir: string, options: Omit<GarbageOptions, 'exclusively'>): Promise<FolderGarbage> {
  const removed: CollectedRepository[] = [];
  const skipped: { name: string; message: string }[] = [];
  for (const [name, path] of await layoutsIn(dir)) {
    options.signal?.throwIfAborted();
    try {
      const layout = await openLayout(path, { keepUntagged: true });
      if (options.dryRun !== true) await removeStaleTemporaries(path, STALE_MS);
      const garbage = await layout.collectGarbage(options);
      if (garbage.blobs.length > 0) removed.push({ name, ...garbage });
    } catch (error) {
      options.signal?.throwIfAborted();
      skipped.push({ name, message: errorMessage(error) });
    }
  }
  return { removed, bytes: removed.reduce((sum, { bytes }) => sum + bytes, 0), skipped };
}

async function layoutsIn(dir: string): Promise<ReadonlyMap<string, string>> {
  const names = await readdir(dir).catch((error: unknown) => {
    throw withNextStep(readFailure(dir, error), { remedy: { kind: 'name-folder' } });
  });
  if (names.includes(HEADER_FILE)) return new Map([[dir, dir]]);
  const root = await realpath(dir);
  const layouts = new Map<string, string>();
  for (const folder of names.sort()) {
    const path = join(dir, folder);
    const isLayout = (await stat(join(path, HEADER_FILE)).catch(() => undefined))?.isFile() === true;
    // The registry does not serve symbolic links to paths outside the folder.
    if (isLayout && isInside(root, await realpath(path))) layouts.set((await nameIn(path)) ?? folder, path);
  }
  if (layouts.size > 0 || names.length === 0) return layouts;
  throw new MlistError('ERR_MLIST_NOT_FOUND', `${dir} contains no OCI layouts`, {
    path: dir,
    remedy: { kind: 'name-folder' },
  });
}
