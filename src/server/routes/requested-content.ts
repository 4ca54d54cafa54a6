import { digestProblem, isDigest, type Digest } from '../../oci/digest.ts';
import { isTag } from '../../oci/reference.ts';
import { RequestError, unknownName } from '../request-error.ts';
import type { ServerExchange } from '../server-exchange.ts';
import type { Repository } from '../storage.ts';

/** This file finds the content that a request refers to. */

/**
 * Returns the repository in the path of a request.
 * @throws RequestError 404 if it does not exist
 */
export async function repositoryOf({ service, name }: ServerExchange): Promise<Repository> {
  const repository = await service.repositories.find(name);
  if (repository === undefined) throw unknownName(name);
  return repository;
}

/**
 * Returns the tags of a repository, in any order. Names that are not valid tags are skipped: other tools may have
 * stored them.
 */
export async function tagsIn(repository: Repository): Promise<readonly string[]> {
  const tags: string[] = [];
  for await (const name of repository.tags()) if (isTag(name)) tags.push(name);
  return tags;
}

/**
 * Parses a digest in the path or query of a request.
 * @throws RequestError 400 DIGEST_INVALID if it is not a digest
 */
export function parseDigestParameter(text: string): Digest {
  if (isDigest(text)) return text;
  const message = `invalid digest: ${digestProblem(text) ?? 'it must have the form ALGORITHM:ENCODED'}`;
  throw new RequestError(400, { code: 'DIGEST_INVALID', message, detail: text });
}
