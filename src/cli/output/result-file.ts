import { access, constants, stat, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { errorCode, errorMessage, MlistError } from '../../errors/errors.ts';
import { writeFileAtomic } from '../../fs/atomic.ts';
import { resolveLinks } from '../../fs/symlinks.ts';
import type { Context } from '../context.ts';

/** A file that a command writes its result to when all is done; whether it can be is looked at before. */
export interface ResultFile {
  readonly write: (text: string) => Promise<void>;
}

/** What the system calls this process's own stdout. */
const ownStdout = new Set(['/dev/stdout', '/dev/fd/1', '/proc/self/fd/1']);

/**
 * Looks at the place of a file that an option names. A file that is to be, or is, a regular one is written as a whole,
 * where its links lead; a pipe or a device is written to as it is.
 * @throws MlistError `ERR_MLIST_USAGE` for a name that is none, `ERR_MLIST_FILE` where nothing can be written there
 */
export async function resultFile(
  name: string | undefined,
  option: string,
  { cwd, output }: Pick<Context, 'cwd' | 'output'>,
): Promise<ResultFile | undefined> {
  if (name === undefined) return undefined;
  if (name === '' || name === '-') {
    throw new MlistError('ERR_MLIST_USAGE', `${option} takes the name of a file, not ${JSON.stringify(name)}`, {
      hint: 'What goes to stdout is told in the help of the command; /dev/stdout is a file too.',
    });
  }
  const path = resolve(cwd, name);
  if (ownStdout.has(path)) return { write: (text) => Promise.resolve(output.bytes(Buffer.from(text), '')) };
  const info = await stat(path).catch((thrown: unknown) => absent(thrown, name, option));
  if (info?.isDirectory()) throw unwritable(name, option, 'it is a folder');
  const failed = (thrown: unknown) => {
    throw unwritable(name, option, errorCode(thrown) ?? 'unknown', thrown);
  };
  const isStream = info !== undefined && !info.isFile();
  if (isStream || /^\/(?:dev|proc)\//.test(path))
    return { write: (text) => writeFile(path, text, { flag: 'a' }).catch(failed) };
  const place = await resolveLinks(path).catch((thrown: unknown) => {
    throw unwritable(name, option, errorMessage(thrown), thrown);
  });
  await requireFolder(dirname(place), name, option);
  return { write: (text) => writeFileAtomic(place, text).catch(failed) };
}

function absent(thrown: unknown, name: string, option: string): undefined {
  const code = errorCode(thrown);
  if (code === 'ENOENT') return undefined;
  throw unwritable(name, option, code ?? 'unknown', thrown);
}

async function requireFolder(folder: string, name: string, option: string): Promise<void> {
  if (!(await stat(folder)).isDirectory()) throw unwritable(name, option, `${folder} is no folder`);
  await access(folder, constants.W_OK).catch((thrown: unknown) => {
    throw unwritable(name, option, `nothing may be written into ${folder}`, thrown);
  });
}

function unwritable(name: string, option: string, why: string, cause?: unknown): MlistError {
  return new MlistError('ERR_MLIST_FILE', `${option} ${name} cannot be written: ${why}`, { path: name, cause });
}
