import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseSources, type ManifestArgument, type Reference } from '../index.ts';
import { manifestArgument } from './arguments.ts';
import type { Context } from './context.ts';
import { unreadable } from './unreadable.ts';

/** Reads the sources in a file, or on stdin. */
export async function readSources(
  file: string,
  list: Reference,
  context: Context,
): Promise<readonly ManifestArgument[]> {
  const { cwd, stdin } = context;
  const parse = (text: string): ManifestArgument => manifestArgument(text, context);
  const bytes =
    file === '-'
      ? await stdin()
      : await readFile(resolve(cwd, file)).catch((cause: unknown) => unreadable(file, cause));
  return parseSources(bytes, file === '-' ? 'stdin' : file, { list, parse });
}
