import { resolve } from 'node:path';
import { MlistError } from '../../../errors/errors.ts';
import { isDigestName } from '../../../oci/digest.ts';
import { parseTypedReference, type Reference } from '../../../oci/reference.ts';
import { readDigestsFolder } from '../../../operations/sources/digests-folder.ts';
import type { ManifestArgument } from '../../../operations/sources/read-source.ts';
import { parseBuildMetadata, parseSources } from '../../../operations/sources/parse-sources.ts';
import { locationInFile, manifestArgument } from '../../args/typed-arguments.ts';
import type { Context } from '../../context.ts';
import { inputName, readInput } from '../../args/input-file.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';

/**
 * Returns the sources for `create`: first the arguments, then the sources in `--file`, `--metadata-file` and
 * `--digests-dir`. A digest without a repository is looked up in `--repo`, or else in the repository of the list.
 */
export async function readSources(
  manifests: readonly string[],
  list: Reference,
  args: ParsedArguments,
  context: Context,
): Promise<readonly ManifestArgument[]> {
  const repository = repositoryOf(args, manifests);
  const parse = (text: string): ManifestArgument => manifestArgument(text, context, repository ?? list);
  const parseLine = (line: string): ManifestArgument =>
    manifestArgument(line, context, repository ?? list, locationInFile);
  const parsing = { list, repository, parse: parseLine };
  const listed = args.texts('file').map(async (file) => {
    const sources = parseSources(await readInput(file, context), inputName(file), parsing);
    await context.workspace.guard?.admit(
      sources.map(({ location }) => location),
      inputName(file),
    );
    return sources;
  });
  const built = args
    .texts('metadata-file')
    .map(async (file) => parseBuildMetadata(await readInput(file, context), inputName(file), parsing));
  const folder = args.text('digests-dir');
  const digests = folder === undefined ? [] : [readDigestsFolder(resolve(context.cwd, folder), repository ?? list)];
  return [...manifests.map(parse), ...(await Promise.all([...listed, ...built, ...digests])).flat()];
}

/** The options that specify images in addition to the arguments. */
export const imageOptions = ['file', 'metadata-file', 'digests-dir'] as const;

function repositoryOf(args: ParsedArguments, manifests: readonly string[]): Reference | undefined {
  const text = args.text('repo');
  if (text === undefined) return undefined;
  const hasDigests = manifests.some((manifest) => isDigestName(manifest.replace(/=.*$/, '')));
  if (hasDigests || imageOptions.some((name) => args.has(name))) {
    return bareRepository(text);
  }
  throw new MlistError(
    'ERR_MLIST_USAGE',
    '--repo needs digests: pass them as arguments, or with --file, --metadata-file or --digests-dir',
  );
}

function bareRepository(text: string): Reference {
  const reference = parseTypedReference(text);
  if (reference.tag === undefined && reference.digest === undefined) return reference;
  throw new MlistError(
    'ERR_MLIST_USAGE',
    `--repo takes a repository without a tag or digest, not ${JSON.stringify(text)}`,
  );
}
