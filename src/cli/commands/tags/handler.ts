import { MlistError } from '../../../errors/errors.ts';
import { repositoryName } from '../../../oci/reference.ts';
import { listTags } from '../../../operations/tags/registry-tags.ts';
import { registryReference } from '../../args/typed-arguments.ts';
import type { Context } from '../../context.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';

/** Tags are printed as their pages come; as JSON when all are there. */
export async function run(invocation: ParsedArguments, { stores, signal, output }: Context): Promise<number> {
  const reference = registryReference(invocation);
  if (reference.tag !== undefined || reference.digest !== undefined) {
    throw new MlistError(
      'ERR_MLIST_USAGE',
      `tags takes a repository: leave out what follows ${repositoryName(reference)}`,
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
