import { resolve } from 'node:path';
import { MlistError } from '../errors.ts';
import { inputFailure } from '../files/failure.ts';
import { readAtMost } from '../files/read.ts';
import type { Context } from './context.ts';
import { MAX_INPUT_BYTES } from './limits.ts';

/**
 * Reads a file that an option names, or stdin for `-`. Of what is too large only so much is read that it shows.
 * @throws MlistError `ERR_MLIST_NOT_FOUND`, `ERR_MLIST_FILE`; `ERR_MLIST_DOCUMENT_INVALID` for what is too large
 */
export async function readInput(
  name: string,
  context: Pick<Context, 'cwd' | 'stdin' | 'signal' | 'waiting'>,
): Promise<Uint8Array> {
  return name === '-' ? checked('stdin', await context.stdin()) : readInputFile(name, context);
}

/** The same, of what can only be a file. */
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
  const message = `${name} cannot be used: it has more than ${MAX_INPUT_BYTES} bytes`;
  throw new MlistError('ERR_MLIST_DOCUMENT_INVALID', message, { path: name });
}
