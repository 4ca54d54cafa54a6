import { MlistError } from '../../../errors/errors.ts';
import { repositoryName } from '../../../oci/reference.ts';
import { listTags } from '../../../operations/tags/registry-tags.ts';
import { registryReference } from '../../args/typed-arguments.ts';
import type { Context } from '../../context.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';

/** Prints the tags page by page, or with `--json` all in one document. */
export async function run(args: ParsedArguments, { stores, signal, output }: Context): Promise<number> {
  const reference = registryReference(args);
  if (reference.tag !== undefined || reference.digest !== undefined) {
    throw new MlistError(
      'ERR_MLIST_USAGE',
      `tags takes a repository without a tag or a digest: use ${repositoryName(reference)}`,
    );
  }
  const tags: string[] = [];
  for await (const tag of listTags(reference, { stores: await stores(), signal })) {
    if (output.json) tags.push(tag);
    else output.line(tag);
    if (output.isLost) break;
  }
  if (output.json) output.document({ repository: repositoryName(reference), tags });
  return 0;
}
