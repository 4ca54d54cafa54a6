import { createWriteStream } from 'node:fs';
import { mkdtemp, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { MlistError } from '../../errors/errors.ts';
import { writeFailure } from '../../fs/file-errors.ts';
import type { ContentOptions } from '../store.ts';

/** An export in a file that only this user may read. */
export interface ExportFile {
  readonly path: string;
  /** Removes the file and its folder. */
  readonly remove: () => Promise<void>;
}

export interface WriteOptions extends ContentOptions {
  /** The image, for errors. */
  readonly reference: string;
  /** The most bytes that the export can have, according to the engine. */
  readonly maxBytes: number;
}

/** The part of the free space that an export may use. */
const USABLE_SPACE = 0.9;

/**
 * Writes an export to a folder of its own in the system's folder for temporary files. Exports are read at random positions,
 * and their lists come last.
 * @throws MlistError `ERR_MLIST_FILE` if there is not enough space, `ERR_MLIST_CONTENT_MISMATCH` if the engine sends more
 *   than the image has
 */
export async function writeExport(chunks: AsyncIterable<Uint8Array>, options: WriteOptions): Promise<ExportFile> {
  const { reference, maxBytes, signal } = options;
  const folder = await mkdtemp(join(tmpdir(), 'mlist-'));
  const path = join(folder, 'export.tar');
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const { bavail, bsize } = await statfs(folder);
    const space = Math.floor(bavail * bsize * USABLE_SPACE);
    const limited = async function* (): AsyncGenerator<Uint8Array> {
      let length = 0;
      for await (const chunk of chunks) {
        length += chunk.length;
        if (length > maxBytes) throw tooLong(reference, maxBytes);
        if (length > space) throw noSpace(reference, folder, space);
        yield chunk;
      }
    };
    const file = createWriteStream(path, { flags: 'wx', mode: 0o600 });
    file.on('error', (error) => Object.assign(error, { isOfFile: true }));
    await pipeline(limited(), file, { signal });
    return { path, remove };
  } catch (thrown) {
    await remove().catch(() => undefined);
    signal?.throwIfAborted();
    throw (thrown as { isOfFile?: boolean }).isOfFile === true ? writeFailure(folder, thrown) : thrown;
  }
}

function tooLong(reference: string, maxBytes: number): MlistError {
  const message = `the engine sends more than the ${maxBytes} bytes that ${reference} can have according to its description`;
  return new MlistError('ERR_MLIST_CONTENT_MISMATCH', message, { reference });
}

function noSpace(reference: string, folder: string, space: number): MlistError {
  return new MlistError(
    'ERR_MLIST_FILE',
    `cannot export ${reference}: it needs more than ${space} bytes in ${tmpdir()}`,
    {
      reference,
      path: folder,
      hint: 'Free some space, or set TMPDIR to a folder on another disk.',
    },
  );
}
