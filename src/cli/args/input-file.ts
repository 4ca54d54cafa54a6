import { resolve } from 'node:path';
import { MlistError } from '../../errors/errors.ts';
import { inputFailure } from '../../fs/file-errors.ts';
import { readAtMost } from '../../fs/read-file.ts';
import type { Context } from '../context.ts';
import { MAX_INPUT_BYTES } from './limits.ts';

/** Returns the name of a file for messages: `stdin` for `-`. */
export function inputName(name: string): string {
  return name === '-' ? 'stdin' : name;
}

/**
 * Reads an input file, or stdin for `-`. Reading stops at the size limit.
 * @throws MlistError `ERR_MLIST_NOT_FOUND` if the file does not exist, `ERR_MLIST_FILE` if it cannot be read,
 *   `ERR_MLIST_DOCUMENT_INVALID` if the input is too large
 */
export async function readInput(
  name: string,
  context: Pick<Context, 'cwd' | 'stdin' | 'signal' | 'waiting'>,
): Promise<Uint8Array> {
  return name === '-' ? checked('stdin', await context.stdin()) : readInputFile(name, context);
}

/** Like `readInput`, but treats `-` as the name of a file. */
export async function readInputFile(
  name: string,
  { cwd, signal, waiting }: Pick<Context, 'cwd' | 'signal' | 'waiting'>,
): Promise<Uint8Array> {
  try {
    const reading = readAtMost(resolve(cwd, name), { maxBytes: MAX_INPUT_BYTES, signal });
    return checked(name, await waiting(`read ${name}`, reading));
  } catch (error) {
    throw inputFailure(name, error);
  }
}

function checked(name: string, bytes: Uint8Array): Uint8Array {
  if (bytes.length <= MAX_INPUT_BYTES) return bytes;
  const message = `${name} is too large: more than ${MAX_INPUT_BYTES} bytes`;
  throw new MlistError('ERR_MLIST_DOCUMENT_INVALID', message, { path: name });
}
