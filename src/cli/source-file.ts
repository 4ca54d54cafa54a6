import { resolve } from 'node:path';
import {
  MlistError,
  parseBuildMetadata,
  parseReference,
  parseSources,
  readDigestsFolder,
  type ManifestArgument,
  type Reference,
} from '../index.ts';
import { manifestArgument } from './arguments.ts';
import type { Context } from './context.ts';
import { readInput } from './input-file.ts';
import type { Invocation } from './language.ts';

/** Reads the sources in a file, or on stdin. */
export async function readSources(
  file: string,
  list: Reference,
  context: Context,
): Promise<readonly ManifestArgument[]> {
  const parse = (text: string): ManifestArgument => manifestArgument(text, context);
  const bytes = await readInput(file, context);
  return parseSources(bytes, file === '-' ? 'stdin' : file, { list, parse });
}

/**
 * The sources that builds have left behind: `--metadata-file`, `--digests-dir` with `--repo`. Undefined where none of them
 * is given.
 */
export async function readBuilds(
  invocation: Invocation,
  list: Reference,
  context: Context,
): Promise<readonly ManifestArgument[] | undefined> {
  const files = invocation.texts('metadata-file');
  const folder = invocation.text('digests-dir');
  const repository = invocation.text('repo');
  if (repository !== undefined && folder === undefined)
    throw new MlistError('ERR_MLIST_USAGE', '--repo says where the digests of --digests-dir lie');
  const built = await Promise.all(
    files.map(async (file) => parseBuildMetadata(await readInput(file, context), file, list)),
  );
  const digests =
    folder === undefined
      ? []
      : await readDigestsFolder(
          resolve(context.cwd, folder),
          repository === undefined ? list : bareRepository(repository),
        );
  return files.length === 0 && folder === undefined ? undefined : [...built.flat(), ...digests];
}

function bareRepository(text: string): Reference {
  const reference = parseReference(text);
  if (reference.tag === undefined && reference.digest === undefined) return reference;
  throw new MlistError('ERR_MLIST_USAGE', `--repo takes a repository, without a tag or a digest: ${text}`);
}
