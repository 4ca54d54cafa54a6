import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFailure } from '../../fs/file-errors.ts';
import { asMlistError, MlistError } from '../../errors/errors.ts';
import type { HeldLock } from '../../fs/atomic.ts';
import { createFolders } from '../../fs/folders.ts';
import { withLock } from '../../fs/lock.ts';
import type { ContentOptions } from '../store.ts';
import { BlobFolder } from './blob-folder.ts';
import { indexLock } from './index-editor.ts';
import { hasHeader, writeHeader } from './layout-header.ts';
import { IndexFile } from './index-file.ts';
import { isNotFound } from './path-inside.ts';
import { Layout } from './layout.ts';

export interface LayoutOptions extends ContentOptions {
  /** Make the layout where there is none; a folder with other files in it becomes one beside them. Default false. */
  readonly create?: boolean | undefined;
  /**
   * What becomes of a manifest whose last tag is moved or removed. True: it stays as an entry without a tag, as in a
   * registry. Default false: its entry goes, as skopeo and buildx do it; its blobs stay behind.
   */
  readonly keepUntagged?: boolean | undefined;
  /** What to call the layout. Default: by its path. */
  readonly name?: string | undefined;
}

/**
 * Opens an OCI image layout (image-spec v1.1.1 image-layout.md).
 * @throws MlistError `ERR_MLIST_NOT_FOUND` where there is none and none is to be made;
 * `ERR_MLIST_DOCUMENT_INVALID` where its header is damaged, or there is a damaged index.json without a header.
 */
export async function openLayout(dir: string, options: LayoutOptions = {}): Promise<Layout> {
  options.signal?.throwIfAborted();
  const { name = dir } = options;
  const root = await rootOf(dir, options.create ?? false);
  if (root !== undefined) {
    const isLayout = await hasHeader(root, name);
    if (isLayout && options.create === true) await new BlobFolder(root).removeStale();
    if (!isLayout && options.create === true) await makeLayout(root, options);
    if (isLayout || options.create === true) return new Layout(name, root, options.keepUntagged ?? false);
  }
  const reason = root === undefined ? 'there is no such folder' : 'there is no file oci-layout in it';
  throw new MlistError('ERR_MLIST_NOT_FOUND', `${name} is no OCI layout: ${reason}`, { path: dir });
}

async function rootOf(dir: string, create: boolean): Promise<string | undefined> {
  try {
    if (create) await createFolders(dir);
    return await realpath(dir);
  } catch (error) {
    if (!create && isNotFound(error)) return undefined;
    throw create ? writeFailure(dir, error) : asMlistError(error);
  }
}

/** The header comes last: whoever finds one finds an index too. An index that is there already is kept. */
async function makeLayout(root: string, { signal, name = root }: LayoutOptions): Promise<void> {
  const work = async (lock: HeldLock): Promise<void> => {
    await createFolders(join(root, 'blobs'));
    await new IndexFile(root, name).create(lock);
    await writeHeader(root, lock);
  };
  await withLock(indexLock(root), work, { signal, subject: name });
}
