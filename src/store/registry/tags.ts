import { MlistError } from '../../errors/errors.ts';
import type { ContentOptions } from '../store.ts';
import { readJson } from '../../json/parse.ts';
import { isJsonObject } from '../../json/json.ts';
import { isTag } from '../../oci/reference.ts';
import type { RegistryResponse } from './request.ts';
import type { ConnectedRepository } from './connection.ts';
import { decodedDocument } from './http/content-encoding.ts';
import { nextAddress } from './http/link-header.ts';
import { pullFrom } from './auth/scope.ts';

/** The number of tags that are requested per page. Some registries refuse larger pages. */
const PAGE_TAGS = 1000;
const MAX_PAGE_BYTES = 4 * 1024 * 1024;

/** Maximum number of pages. More are an error, because a registry may send a link to a next page forever. */
const MAX_PAGES = 10_000;

/**
 * Lists the tags of a repository page by page, in the order of the registry (distribution-spec v1.1.1 "Listing Tags").
 * Skips invalid tags, because no reference can contain them.
 * @throws MlistError `ERR_MLIST_FORBIDDEN_ADDRESS` if the link to the next page leads to another host;
 * `ERR_MLIST_REGISTRY` if a response is not a list of tags, or if the registry repeats a page or sends too many pages
 */
export async function* listTags(parts: ConnectedRepository, { signal }: ContentOptions): AsyncGenerator<string> {
  const { connection, path } = parts;
  const pages = new Set<string>();
  const first = `/v2/${path}/tags/list`;
  let target: string | URL | undefined = `${first}?n=${PAGE_TAGS}`;
  while (target !== undefined) {
    const response: RegistryResponse = await connection.request(
      {
        step: { what: 'list the tags of', reference: parts.location },
        method: 'GET',
        target,
        scopes: [pullFrom(path)],
        accept: [200],
        signal,
      },
      MAX_PAGE_BYTES,
    );
    yield* tagsIn(await decodedDocument(response, `the list of tags of ${parts.location}`), parts);
    target = checkNext(nextAddress(response, first, connection.base, parts.location), parts, pages);
  }
}

function tagsIn(bytes: Uint8Array, { location, connection }: ConnectedRepository): readonly string[] {
  const { value, problems } = readJson(bytes);
  const tags = value !== undefined && isJsonObject(value) ? (value['tags'] ?? []) : undefined;
  if (problems.length > 0 || !Array.isArray(tags)) {
    const message = `cannot list the tags of ${location}: the response of ${connection.base.host} is not a list of tags`;
    throw new MlistError('ERR_MLIST_REGISTRY', message, { reference: location });
  }
  return (tags as readonly unknown[]).filter((tag): tag is string => typeof tag === 'string' && isTag(tag));
}

/**
 * Records and returns the address of the next page; undefined on the last page.
 * @throws MlistError `ERR_MLIST_REGISTRY` if this page was read before, or if there are more than `MAX_PAGES` pages
 */
function checkNext(
  address: URL | undefined,
  { connection, location }: ConnectedRepository,
  pages: Set<string>,
): URL | undefined {
  if (address === undefined) return undefined;
  const isRepeated = pages.has(address.href);
  if (isRepeated || pages.size >= MAX_PAGES) {
    const reason = isRepeated ? 'sent a link to a page that was already read' : `sends more than ${MAX_PAGES} pages`;
    const message = `cannot list the tags of ${location}: ${connection.base.host} ${reason}`;
    throw new MlistError('ERR_MLIST_REGISTRY', message, { reference: location });
  }
  pages.add(address.href);
  return address;
}
