import { resolve } from 'node:path';
import { MlistError, readAtMost } from '../index.ts';
import type { Context } from './context.ts';
import { MAX_INPUT_BYTES } from './limits.ts';
import { unreadable } from './unreadable.ts';

/**
 * Reads a file that an option names, or stdin for `-`. Of what is too large only so much is read that it shows.
 * @throws MlistError `ERR_MLIST_NOT_FOUND`, `ERR_MLIST_FILE`; `ERR_MLIST_DOCUMENT_INVALID` for what is too large
 */
export async function readInput(name: string, { cwd, stdin }: Pick<Context, 'cwd' | 'stdin'>): Promise<Uint8Array> {
  const bytes =
    name === '-'
      ? await stdin()
      : await readAtMost(resolve(cwd, name), { maxBytes: MAX_INPUT_BYTES }).catch((cause: unknown) =>
          unreadable(name, cause),
        );
  if (bytes.length <= MAX_INPUT_BYTES) return bytes;
  const shown = name === '-' ? 'stdin' : name;
  throw new MlistError(
    'ERR_MLIST_DOCUMENT_INVALID',
    `${shown} cannot be used: it has more than ${MAX_INPUT_BYTES} bytes`,
    {
      path: shown,
    },
  );
}
