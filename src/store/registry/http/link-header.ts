import { MlistError } from '../../../errors/errors.ts';
import type { RegistryResponse } from '../request.ts';
import { apiUrl, sameOrigin } from './address.ts';

/** Returns the target of `Link: </v2/NAME/tags/list?last=x>; rel="next"` (RFC 8288); undefined on the last page. */
function nextPage(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  for (const [, target = '', parameters = ''] of header.matchAll(/<([^>]*)>((?:\s*;\s*[^,<"]*(?:"[^"]*")?)*)/g)) {
    if (/;\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next\b)/i.test(parameters)) return target;
  }
  return undefined;
}

/**
 * Returns the address of the next page of a list; undefined if there is no valid link to it. A registry behind a proxy
 * may not know the scheme or the path that its clients use. Therefore, if the path of the link ends like the path of
 * the first page, only the query of the link is used.
 * @param path - the path of the first page
 * @throws MlistError `ERR_MLIST_FORBIDDEN_ADDRESS` if the link leads to another host
 */
export function nextAddress(
  { headers, url }: RegistryResponse,
  path: string,
  base: URL,
  reference: string,
): URL | undefined {
  const link = nextPage(headers['link']);
  if (link === undefined || !URL.canParse(link, url.href)) return undefined;
  const address = new URL(link, url);
  if (address.host !== base.host) {
    const host = `${address.protocol}//${address.host}`;
    const message = `cannot read the next page for ${reference}: ${base.host} sent a link to another host, ${host}`;
    throw new MlistError('ERR_MLIST_FORBIDDEN_ADDRESS', message, { reference });
  }
  const end = path.split('/').slice(-2).join('/');
  const isSameList = address.search !== '' && address.pathname.endsWith(`/${end}`);
  if (isSameList) return apiUrl(`${path}${address.search}`, base);
  return sameOrigin(address, base) ? address : new URL(`${address.pathname}${address.search}`, base);
}
