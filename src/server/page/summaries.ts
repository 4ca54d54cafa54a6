import { ignoreNotFound } from '../../errors/not-found.ts';
import type { RepositorySummary, TagSummary } from '../../html/repository-pages.ts';
import { kindOf } from '../../html/overview-page.ts';
import { isAttestation, type Descriptor } from '../../oci/descriptor.ts';
import { isIndexType } from '../../oci/media-type.ts';
import { formatPlatform } from '../../oci/platform/platform.ts';
import { contentFault } from '../../operations/content-fault.ts';
import { readIndex } from '../../schema/documents.ts';
import { tagsIn } from '../routes/requested-content.ts';
import { toRequestError } from '../request-error.ts';
import type { Repositories, Repository } from '../storage.ts';
import { hrefOf } from './page-reply.ts';

/**
 * This file creates the rows of the pages that list repositories and tags. If a repository or tag cannot be read, its
 * row states the reason in `fault`.
 */

/** The maximum size, in bytes, of a list whose platforms are displayed. A larger list is not read. */
const MAX_BYTES = 64 * 1024;

/** Returns the row for a repository, or undefined if the repository does not exist. */
export async function repositorySummary(
  name: string,
  repositories: Repositories,
): Promise<RepositorySummary | undefined> {
  const href = hrefOf(name);
  try {
    const repository = await repositories.find(name);
    if (repository === undefined) return undefined;
    return { name, href, tags: (await tagsIn(repository)).length };
  } catch (error) {
    return { name, href, tags: 0, fault: faultOf(error) };
  }
}

export async function tagSummary(name: string, tag: string, repository: Repository): Promise<TagSummary> {
  const href = hrefOf(name, tag);
  try {
    const descriptor = await ignoreNotFound(repository.resolve(tag));
    if (descriptor === undefined) return { tag, href, fault: 'the content is missing' };
    const { digest, mediaType } = descriptor;
    const known = { tag, href, digest, kind: kindOf(mediaType) };
    try {
      return { ...known, platforms: await platformsOf(descriptor, repository) };
    } catch (error) {
      return { ...known, fault: faultOf(error) };
    }
  } catch (error) {
    return { tag, href, fault: faultOf(error) };
  }
}

async function platformsOf(
  { digest, mediaType, size }: Descriptor,
  repository: Repository,
): Promise<readonly string[]> {
  if (!isIndexType(mediaType) || size > MAX_BYTES) return [];
  const { bytes } = await repository.fetchManifest(digest);
  const entries = readIndex(bytes, mediaType, digest).manifests.filter((entry) => !isAttestation(entry));
  return [...new Set(entries.flatMap(({ platform }) => (platform === undefined ? [] : [formatPlatform(platform)])))];
}

/** Returns a description of an error for users of the page. It contains no file paths of the server. */
function faultOf(error: unknown): string {
  return contentFault(error) ?? toRequestError(error).message;
}
