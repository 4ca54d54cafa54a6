import { parseListName } from '../../../draft/workspace/draft-file.ts';
import { MlistError } from '../../../errors/errors.ts';
import { formatReference, type Reference } from '../../../oci/reference.ts';
import { currentList } from '../../../operations/current-draft.ts';
import type { DockerMetadata } from '../../../operations/sources/docker-metadata.ts';
import { listOption, type ListAndRest } from '../../args/typed-arguments.ts';
import type { Context } from '../../context.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import { missingArguments } from '../../args/parse-arguments.ts';
import { imageOptions } from './source-file.ts';

/**
 * Returns the list that `create` creates: the list argument, or else the first tag in the metadata, or else, with
 * `--amend`, the current draft. If metadata is given, the user may have omitted the list. A first positional that may
 * be an image is then refused, because a push would overwrite the image.
 * @throws MlistError `ERR_MLIST_USAGE` if none of these is given, or the first positional may be an image
 */
export async function createdName(
  { list: typed, rest }: ListAndRest,
  metadata: DockerMetadata | undefined,
  args: ParsedArguments,
  context: Context,
): Promise<Reference> {
  const name = typed ?? metadata?.tags[0];
  if (name === undefined && !args.flag('amend')) throw missingName(args, metadata);
  const list = name === undefined ? await currentList(context.workspace) : parseListName(name);
  const isPositional = typed !== undefined && listOption(args, context) === undefined;
  if (isPositional && metadata !== undefined) refuseImage(list, typed, rest, metadata, args);
  return list;
}

function missingName({ command }: ParsedArguments, metadata: DockerMetadata | undefined): MlistError {
  if (metadata === undefined) return missingArguments(command, ['LIST']);
  return new MlistError('ERR_MLIST_USAGE', 'missing argument: LIST (the metadata of --docker-metadata has no tags)', {
    hint: 'Put the list first: "mlist create LIST IMAGE...", or configure tags for docker/metadata-action.',
  });
}

function refuseImage(
  list: Reference,
  typed: string,
  rest: readonly string[],
  { tags }: DockerMetadata,
  args: ParsedArguments,
): void {
  const name = formatReference(list);
  const [first] = tags;
  if (first !== undefined) {
    if (tags.some((tag) => formatReference(parseListName(tag)) === name)) return;
    const message = `${name} may be the list or an image: it is not among the tags of --docker-metadata`;
    const hint = `If it is the list, pass "--list ${name}". If it is an image, name the list with "--list ${first}".`;
    throw new MlistError('ERR_MLIST_USAGE', message, { hint });
  }
  const isSingle = rest.length === 0 && !imageOptions.some((option) => args.has(option));
  if (!isSingle || args.flag('amend')) return;
  const message = `missing images: ${typed} is used as the list, and the metadata of --docker-metadata has no tags`;
  throw new MlistError('ERR_MLIST_USAGE', message, {
    hint: `If ${typed} is an image, put the list first: "mlist create LIST ${typed}". If it is the list, add images.`,
  });
}
