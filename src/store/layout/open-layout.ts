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
import { isNotFound } from '../../fs/file-errors.ts';
import { Layout } from './layout.ts';

export interface LayoutOptions extends ContentOptions {
  /** Whether to create the layout if it does not exist. Other files in the folder are kept. Default false. */
  readonly create?: boolean | undefined;
  /**
   * Whether a manifest keeps an untagged entry when it loses its last tag, or the last index that lists it, as in a
   * registry. Default false: only the blobs are kept, as with skopeo and buildx.
   */
  readonly keepUntagged?: boolean | undefined;
  /**
   * If index.json has at least this many entries, edits are appended to a journal, which is cheaper than rewriting
   * index.json. The journal is merged into index.json within about two seconds, or at once by `mergeJournal`. Default:
   * each edit is written to index.json.
   */
  readonly journalFrom?: number | undefined;
  /** Minimum time, in milliseconds, before `holdBlob` marks a blob as used again. Default 30 000. */
  readonly holdMs?: number | undefined;
  /** Name of the layout in errors. Default: its path. */
  readonly name?: string | undefined;
}

/**
 * Opens an OCI image layout (image-spec v1.1.1 image-layout.md).
 * @throws MlistError `ERR_MLIST_NOT_FOUND` if it does not exist and `create` is false; `ERR_MLIST_DOCUMENT_INVALID` if
 * its oci-layout file is damaged or has an unsupported version, or if `create` is true and the folder has a damaged
 * index.json but no oci-layout file
 */
export async function openLayout(dir: string, options: LayoutOptions = {}): Promise<Layout> {
  options.signal?.throwIfAborted();
  const { name = dir, create = false, keepUntagged = false, journalFrom, holdMs } = options;
  const notLayout = (reason: string) =>
    new MlistError('ERR_MLIST_NOT_FOUND', `${name} is not an OCI layout: ${reason}`, { path: dir });
  const root = await rootOf(dir, create);
  if (root === undefined) throw notLayout('the folder does not exist');
  const isLayout = await hasHeader(root, name);
  if (!isLayout && !create) throw notLayout('it has no oci-layout file');
  if (!isLayout) await createLayout(root, name, options);
  else if (create) await new BlobFolder(root, name).removeStale();
  return new Layout(name, root, { keepUntagged, journalFrom, holdMs });
}

/**
 * Returns the real path of the folder. If the folder does not exist, creates it if `create` is true, and returns
 * undefined otherwise.
 */
async function rootOf(dir: string, create: boolean): Promise<string | undefined> {
  try {
    if (create) await createFolders(dir);
    return await realpath(dir);
  } catch (error) {
    if (!create && isNotFound(error)) return undefined;
    throw create ? writeFailure(dir, error) : asMlistError(error);
  }
}

/**
 * Creates a layout. An existing index.json is kept. The oci-layout file is written last, so that a folder with this
 * file always has an index.json.
 */
async function createLayout(root: string, name: string, { signal }: ContentOptions): Promise<void> {
  const work = async (lock: HeldLock): Promise<void> => {
    await createFolders(join(root, 'blobs'));
    await new IndexFile(root, name).create(lock);
    await writeHeader(root, lock);
  };
  await withLock(indexLock(root), work, { signal, subject: name });
}
