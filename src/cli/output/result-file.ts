import { access, constants, stat, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { errorCode, errorMessage, MlistError } from '../../errors/errors.ts';
import { writeFileAtomic } from '../../fs/atomic.ts';
import { writeReason } from '../../fs/file-errors.ts';
import { resolveLinks } from '../../fs/symlinks.ts';
import type { Context } from '../context.ts';

/** A file for the result of a command. It is checked before the command runs, and written at the end. */
export interface ResultFile {
  readonly write: (text: string) => Promise<void>;
}

/** Paths of this process's own stdout. */
const ownStdout = new Set(['/dev/stdout', '/dev/fd/1', '/proc/self/fd/1']);

/**
 * Paths of devices and file descriptors. /dev/shm is excluded, because it contains ordinary files, stored in memory.
 */
const inDevices = /^\/(?:dev\/(?!shm\/)|proc\/)/;

/**
 * Checks that a result file can be written. A regular file will be replaced atomically, even if the path is a symbolic
 * link to it. Pipes and devices will be written directly.
 * @returns the file, or undefined if the option is not given
 * @throws MlistError `ERR_MLIST_USAGE` if the name is empty or `-`, `ERR_MLIST_FILE` if the file cannot be written
 */
export async function resultFile(
  name: string | undefined,
  option: string,
  { cwd, output }: Pick<Context, 'cwd' | 'output'>,
): Promise<ResultFile | undefined> {
  if (name === undefined) return undefined;
  if (name === '' || name === '-') {
    throw new MlistError('ERR_MLIST_USAGE', `${option} takes a file name, not ${JSON.stringify(name)}`, {
      hint: 'To write to stdout, use /dev/stdout.',
    });
  }
  const path = resolve(cwd, name);
  if (ownStdout.has(path)) return { write: (text) => Promise.resolve(output.bytes(Buffer.from(text), '')) };
  const info = await stat(path).catch((thrown: unknown) => ignoreNewFile(thrown, name, option));
  if (info?.isDirectory()) throw unwritable(name, option, 'it is a folder');
  const failed = (thrown: unknown) => {
    throw unwritable(name, option, writeReason(thrown), thrown);
  };
  const isStream = info !== undefined && !info.isFile();
  if (isStream || inDevices.test(path)) return { write: (text) => writeFile(path, text, { flag: 'a' }).catch(failed) };
  const target = await resolveLinks(path).catch((thrown: unknown) => {
    throw unwritable(name, option, errorMessage(thrown), thrown);
  });
  await requireFolder(dirname(target), name, option);
  return { write: (text) => writeFileAtomic(target, text).catch(failed) };
}

function ignoreNewFile(thrown: unknown, name: string, option: string): undefined {
  if (errorCode(thrown) === 'ENOENT') return undefined;
  throw unwritable(name, option, writeReason(thrown), thrown);
}

async function requireFolder(folder: string, name: string, option: string): Promise<void> {
  const info = await stat(folder).catch((thrown: unknown) => {
    throw unwritable(name, option, `cannot read the folder ${folder}: ${writeReason(thrown)}`, thrown);
  });
  if (!info.isDirectory()) throw unwritable(name, option, `${folder} is not a folder`);
  await access(folder, constants.W_OK).catch((thrown: unknown) => {
    throw unwritable(name, option, `the folder ${folder} is not writable`, thrown);
  });
}

function unwritable(name: string, option: string, reason: string, cause?: unknown): MlistError {
  return new MlistError('ERR_MLIST_FILE', `${option} ${name} cannot be written: ${reason}`, { path: name, cause });
}
