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

/**
 * The sources that files name: `--file`, `--metadata-file` and `--digests-dir`. Digests without a repository lie in `--repo`,
 * else where the list is to lie.
 */
export async function readSources(
  invocation: Invocation,
  list: Reference,
  context: Context,
): Promise<readonly ManifestArgument[]> {
  const repository = repositoryOf(invocation);
  const parsing = { list, repository, parse: (text: string) => manifestArgument(text, context) };
  const named = invocation
    .texts('file')
    .map(async (file) => parseSources(await readInput(file, context), nameOf(file), parsing));
  const built = invocation
    .texts('metadata-file')
    .map(async (file) => parseBuildMetadata(await readInput(file, context), nameOf(file), parsing));
  const folder = invocation.text('digests-dir');
  const digests = folder === undefined ? [] : [readDigestsFolder(resolve(context.cwd, folder), repository ?? list)];
  return (await Promise.all([...named, ...built, ...digests])).flat();
}

/** How an input is called in messages. */
export function nameOf(file: string): string {
  return file === '-' ? 'stdin' : file;
}

function repositoryOf(invocation: Invocation): Reference | undefined {
  const text = invocation.text('repo');
  if (text === undefined) return undefined;
  if (['file', 'metadata-file', 'digests-dir'].some((name) => invocation.has(name))) return bareRepository(text);
  throw new MlistError(
    'ERR_MLIST_USAGE',
    '--repo says where the digests of --file, --metadata-file and --digests-dir lie',
  );
}

function bareRepository(text: string): Reference {
  const reference = parseReference(text);
  if (reference.tag === undefined && reference.digest === undefined) return reference;
  throw new MlistError('ERR_MLIST_USAGE', `--repo takes a repository, without a tag or a digest: ${text}`);
}
