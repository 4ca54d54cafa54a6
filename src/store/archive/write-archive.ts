import { stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { asMlistError, MlistError, withHint } from '../../errors/errors.ts';
import { removeStaleTemporaries, type HeldLock } from '../../fs/atomic.ts';
import { resolveLinks } from '../../fs/symlinks.ts';
import { withLock } from '../../fs/lock.ts';
import type { ContentOptions } from '../store.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import { isNotFound } from '../layout/path-inside.ts';
import { ArchiveTarget, type ArchiveTargetParts } from './archive-target.ts';
import { OciArchive } from './oci-archive.ts';

export interface WriteArchiveOptions extends ContentOptions {
  /** What to call the archive; default: by its path. */
  readonly name?: string | undefined;
  /** The full reference that a tag of the archive stands for. Default: nobody can say. */
  readonly imageName?: ((tag: string) => string | undefined) | undefined;
}

/** A temporary file that lies longer than this was left behind by a crash. */
const STALE_MS = 24 * 60 * 60 * 1000;

/**
 * Runs the work with an OCI archive to write to, which is in its place, whole, when the work is done; if it fails,
 * everything is as it was. Images that lie in the archive already stay. One writer at a time.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` where something else lies there: it is not overwritten;
 *   `ERR_MLIST_LOCKED`
 */
export async function writeArchive<T>(
  path: string,
  options: WriteArchiveOptions,
  work: (target: ArchiveTarget) => Promise<T>,
): Promise<T> {
  const real = await placeOf(path, options);
  const folder = dirname(real);
  const lockPath = join(folder, `.${basename(real)}.lock`);
  const write = async (lock: HeldLock): Promise<T> => {
    await removeStaleTemporaries(folder, STALE_MS, basename(real));
    const existing = await openExisting(real, options);
    try {
      return await written({ path: real, existing, lock }, options, work);
    } finally {
      await existing?.close();
    }
  };
  return withLock(lockPath, write, { signal: options.signal, subject: `the archive ${options.name ?? path}` });
}

async function written<T>(
  { path, ...parts }: Pick<ArchiveTargetParts, 'path' | 'existing' | 'lock'>,
  { name, imageName, signal }: WriteArchiveOptions,
  work: (target: ArchiveTarget) => Promise<T>,
): Promise<T> {
  const target = await ArchiveTarget.create({
    ...parts,
    path,
    location: `oci-archive:${name ?? path}`,
    imageName: imageName ?? (() => undefined),
  });
  try {
    const result = await work(target);
    await target.commit({ signal });
    return result;
  } catch (error) {
    await target.discard();
    throw error;
  }
}

/** Where the file really is, or is to be: a link stays, what it leads to is replaced. */
async function placeOf(path: string, { name = path }: WriteArchiveOptions): Promise<string> {
  const folder = dirname(resolve(path));
  const info = await stat(folder).catch((error: unknown) => {
    if (!isNotFound(error)) throw asMlistError(error);
  });
  if (info?.isDirectory() !== true) throw noFolder(folder, dirname(name));
  return resolveLinks(path);
}

function noFolder(folder: string, name: string): MlistError {
  return new MlistError('ERR_MLIST_FILE', `there is no folder ${name} to write an archive into`, { path: folder });
}

async function openExisting(
  path: string,
  { name = path, signal }: WriteArchiveOptions,
): Promise<OciArchive | undefined> {
  const hint = 'Write to another file, or remove this one first.';
  const existing = await ignoreNotFound(OciArchive.open(path, { name, signal })).catch((thrown: unknown) => {
    if (!(thrown instanceof MlistError) || thrown.code !== 'ERR_MLIST_DOCUMENT_INVALID') throw thrown;
    throw withHint(thrown, hint);
  });
  if (existing?.isCompressed !== true) return existing;
  await existing.close();
  const message = `the archive ${name} is compressed: it can be read, but not added to`;
  throw new MlistError('ERR_MLIST_USAGE', message, { path, hint });
}
