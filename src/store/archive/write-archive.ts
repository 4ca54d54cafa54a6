import { stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { asMlistError, MlistError, withHint } from '../../errors/errors.ts';
import { removeStaleTemporaries, type HeldLock } from '../../fs/atomic.ts';
import { resolveLinks } from '../../fs/symlinks.ts';
import { withLock } from '../../fs/lock.ts';
import type { ContentOptions } from '../store.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import { isNotFound } from '../../fs/file-errors.ts';
import { ArchiveTarget, type ArchiveTargetParts } from './archive-target.ts';
import { OciArchive } from './oci-archive.ts';
import type { Compress } from '../docker-image/layer-compression.ts';
import { FileSink } from './tar/file-sink.ts';
import { pipeSink, type WritePipe } from './tar/pipe-sink.ts';

export interface WriteArchiveOptions extends ContentOptions {
  /** Name of the archive in errors. Default: its path. */
  readonly name?: string | undefined;
  /**
   * Returns the full reference for a tag of the archive, or undefined if it is not known. The reference is stored as an
   * annotation of the tag's entry. Default: always undefined.
   */
  readonly imageName?: ((tag: string) => string | undefined) | undefined;
}

/** Temporary files are removed after this time, in milliseconds, if it is unknown whether their process still runs. */
const STALE_MS = 24 * 60 * 60 * 1000;

/**
 * Runs `work` with an OCI archive to write to. The file is replaced when `work` has succeeded, and left unchanged if
 * `work` fails. Images of an existing archive are kept unless their last tag is moved. A lock allows only one writer at
 * a time.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if the existing file is not an OCI archive; it is not overwritten.
 * `ERR_MLIST_USAGE` if the existing archive is compressed; `ERR_MLIST_LOCKED` if another process is writing to it;
 * `ERR_MLIST_FILE` if its folder does not exist
 */
export async function writeArchive<T>(
  path: string,
  options: WriteArchiveOptions,
  work: (target: ArchiveTarget) => Promise<T>,
): Promise<T> {
  const real = await resolvePath(path, options);
  const folder = dirname(real);
  const lockPath = join(folder, `.${basename(real)}.lock`);
  const write = async (lock: HeldLock): Promise<T> => {
    await removeStaleTemporaries(folder, STALE_MS, basename(real));
    const existing = await openExisting(real, options);
    try {
      return await writeTo(
        { existing, openSink: () => FileSink.create(real, lock) },
        { ...options, name: options.name ?? path },
        work,
      );
    } finally {
      await existing?.close();
    }
  };
  return withLock(lockPath, write, { signal: options.signal, subject: `the archive ${options.name ?? path}` });
}

/**
 * Runs `work` with an OCI archive that is written to a pipe. If `work` fails, index.json and the end of the archive are
 * not written, so readers refuse the archive.
 * @param compress - compresses the archive. Default: it is not compressed
 */
export async function writeArchiveToPipe<T>(
  write: WritePipe,
  options: WriteArchiveOptions & { readonly compress?: Compress | undefined },
  work: (target: ArchiveTarget) => Promise<T>,
): Promise<T> {
  const openSink = () => Promise.resolve(pipeSink(write, options.compress));
  return writeTo({ existing: undefined, openSink }, { ...options, name: '-' }, work);
}

async function writeTo<T>(
  parts: Pick<ArchiveTargetParts, 'existing' | 'openSink'>,
  { name, imageName, signal }: WriteArchiveOptions,
  work: (target: ArchiveTarget) => Promise<T>,
): Promise<T> {
  const target = await ArchiveTarget.create({
    ...parts,
    location: `oci-archive:${name}`,
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

/**
 * Resolves symbolic links, so that the file is replaced and not a link to it.
 * @throws MlistError `ERR_MLIST_FILE` if the folder of the archive does not exist
 */
async function resolvePath(path: string, { name = path }: WriteArchiveOptions): Promise<string> {
  const folder = dirname(resolve(path));
  const info = await stat(folder).catch((error: unknown) => {
    if (!isNotFound(error)) throw asMlistError(error);
  });
  if (info?.isDirectory() !== true) throw missingFolder(folder, name);
  return resolveLinks(path);
}

function missingFolder(folder: string, name: string): MlistError {
  const message = `cannot write the archive ${name}: there is no folder ${dirname(name)}`;
  return new MlistError('ERR_MLIST_FILE', message, { path: folder });
}

async function openExisting(
  path: string,
  { name = path, signal }: WriteArchiveOptions,
): Promise<OciArchive | undefined> {
  const hint = 'Write to another file, or remove the existing file first.';
  const existing = await ignoreNotFound(OciArchive.open(path, { name, signal })).catch((thrown: unknown) => {
    if (!(thrown instanceof MlistError) || thrown.code !== 'ERR_MLIST_DOCUMENT_INVALID') throw thrown;
    throw withHint(thrown, hint);
  });
  if (existing?.isCompressed !== true) return existing;
  await existing.close();
  const message = `cannot add to the archive ${name}: it is compressed`;
  throw new MlistError('ERR_MLIST_USAGE', message, { path, hint });
}
