import { parseListName } from '../../../draft/workspace/draft-file.ts';
import { MlistError } from '../../../errors/errors.ts';
import { formatReference, type Reference } from '../../../oci/reference.ts';
import { currentList } from '../../../operations/current-draft.ts';
import type { DockerMetadata } from '../../../operations/sources/docker-metadata.ts';
import { listOption, type ListAndRest } from '../../args/typed-arguments.ts';
import type { Context } from '../../context.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import { usageError } from '../../args/parse-arguments.ts';

/**
 * The list that `create` makes: what stands first on the command line, else the first tag of a build's metadata, else with
 * `--amend` the current draft. With metadata, somebody may have left the list out and named images alone: an image that was
 * taken for the list would be written over by a push.
 * @throws MlistError `ERR_MLIST_USAGE` where there is none, or it cannot be told from an image
 */
export async function createdName(
  { list: typed, rest }: ListAndRest,
  metadata: DockerMetadata | undefined,
  invocation: ParsedArguments,
  context: Context,
): Promise<Reference> {
  const name = typed ?? metadata?.tags[0];
  if (name === undefined && !invocation.flag('amend')) throw nameless(invocation, metadata);
  const list = name === undefined ? await currentList(context.workspace) : parseListName(name);
  const isPositional = typed !== undefined && listOption(invocation, context) === undefined;
  if (isPositional && metadata !== undefined) refuseImage(list, typed, rest, metadata, invocation);
  return list;
}

function nameless({ command }: ParsedArguments, metadata: DockerMetadata | undefined): MlistError {
  if (metadata === undefined) return usageError(command, 'create takes the name of the list');
  return new MlistError('ERR_MLIST_USAGE', 'no list is named, and what --docker-metadata says has no tags', {
    hint: 'Name the list first: "mlist create LIST IMAGE...", or have docker/metadata-action make tags.',
  });
}

/** Options that bring images in beside those that are typed. */
const sources = ['file', 'metadata-file', 'digests-dir'];

function refuseImage(
  list: Reference,
  typed: string,
  rest: readonly string[],
  { tags }: DockerMetadata,
  invocation: ParsedArguments,
): void {
  const name = formatReference(list);
  const [first] = tags;
  if (first !== undefined) {
    if (tags.some((tag) => formatReference(parseListName(tag)) === name)) return;
    const message = `${name} is none of the tags of --docker-metadata: is it the list, or an image?`;
    const hint = `For the list, write "--list ${name}"; with "--list ${first}" all that stands beside it is an image.`;
    throw new MlistError('ERR_MLIST_USAGE', message, { hint });
  }
  const isLone = rest.length === 0 && !sources.some((option) => invocation.has(option));
  if (!isLone || invocation.flag('amend')) return;
  const message = `${typed} is taken as the list, which leaves no image: what --docker-metadata says has no tags`;
  throw new MlistError('ERR_MLIST_USAGE', message, {
    hint: `If it is an image, name the list first: "mlist create LIST ${typed}". If it is the list, name its images too.`,
  });
}
