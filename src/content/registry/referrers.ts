import { errorCode, MlistError } from '../../errors.ts';
import type { Content, ContentOptions, FetchOptions, Name } from '../../oci/content.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { isIndexType } from '../../oci/media-type.ts';
import { referrersTag } from '../../oci/referrers-tag.ts';
import { readIndex } from '../../schema/document.ts';
import { sameOrigin } from './origin.ts';

/** What listing referrers needs of a repository. */
export interface ReferrersParts {
  /** `domain/path`, for errors. */
  readonly location: string;
  readonly path: string;
  /**
   * GETs an address below the registry's origin, or the whole address of a page that it gave; the media type of an OCI
   * index is accepted. Other statuses than those in `accept` are errors.
   */
  readonly get: (target: string | URL, accept: readonly number[], options: ContentOptions) => Promise<ReferrersReply>;
  readonly fetchManifest: (name: Name, options: FetchOptions) => Promise<Content>;
}

export interface ReferrersReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Address that answered. */
  readonly url: URL;
  readonly bytes: Uint8Array;
}

/** Nobody has so many signatures; a registry that pages for ever is left. */
const MAX_PAGES = 1000;

/** Answers of registries that do not know the API (distribution-spec v1.1.1 "Listing Referrers"): 404, or they refuse it. */
const ANSWERS = [200, 400, 404, 405];

/**
 * The manifests whose subject is the digest, page by page; where the registry has no referrers API, those that the
 * fallback tag lists. Filtered here, whatever the registry has filtered.
 * @throws MlistError `ERR_MLIST_FORBIDDEN_ADDRESS` where a page is said to lie on another host
 */
export async function listReferrers(
  parts: ReferrersParts,
  digest: Digest,
  artifactType: string | undefined,
  options: ContentOptions,
): Promise<readonly Descriptor[]> {
  const found = (await fromApi(parts, digest, options)) ?? (await fromTag(parts, digest, options));
  return artifactType === undefined ? found : found.filter((one) => one.artifactType === artifactType);
}

/** Whether the registry has the referrers API, and so finds what refers to a manifest by itself. */
export async function hasReferrersApi(
  { path, get }: ReferrersParts,
  digest: Digest,
  options: ContentOptions,
): Promise<boolean> {
  return (await get(`/v2/${path}/referrers/${digest}`, ANSWERS, options)).status === 200;
}

async function fromApi(
  parts: ReferrersParts,
  digest: Digest,
  options: ContentOptions,
): Promise<readonly Descriptor[] | undefined> {
  const found = new Map<Digest, Descriptor>();
  let target: string | URL | undefined = `/v2/${parts.path}/referrers/${digest}`;
  for (let pages = 0; target !== undefined; pages += 1) {
    const reply: ReferrersReply = await parts.get(target, pages === 0 ? ANSWERS : [200], options);
    if (reply.status !== 200) return undefined;
    const subject = `the referrers of ${parts.location}@${digest}`;
    for (const descriptor of readIndex(reply.bytes, undefined, subject).manifests) {
      found.set(descriptor.digest, descriptor);
    }
    target = nextPage(reply, subject);
    if (pages >= MAX_PAGES) throw endless(subject);
  }
  return [...found.values()];
}

/** The address in `Link: <...>; rel="next"` (RFC 8288); undefined on the last page. */
function nextPage({ headers, url }: ReferrersReply, subject: string): URL | undefined {
  const links = [...(headers['link'] ?? '').matchAll(/<([^>]*)>((?:\s*;\s*[^,;<"]*(?:"[^"]*")?)*)/g)];
  const next = links.find(([, , parameters = '']) => /;\s*rel\s*=\s*(?:"next"|next)\s*(?:;|$)/i.test(parameters));
  const target = next?.[1];
  if (target === undefined || !URL.canParse(target, url.href)) return undefined;
  const address = new URL(target, url);
  if (sameOrigin(address, url)) return address.href === url.href ? undefined : address;
  throw new MlistError(
    'ERR_MLIST_FORBIDDEN_ADDRESS',
    `cannot list ${subject}: ${url.host} sent a link to the next page at ${address.protocol}//${address.host}, another host`,
  );
}

/** distribution-spec v1.1.1 "Referrers Tag Schema": a tag that is missing, or is no index, lists nothing. */
async function fromTag(
  { fetchManifest, location }: ReferrersParts,
  digest: Digest,
  { signal }: ContentOptions,
): Promise<readonly Descriptor[]> {
  const tag = referrersTag(digest);
  try {
    const { bytes, descriptor } = await fetchManifest(tag, { signal });
    if (!isIndexType(descriptor.mediaType)) return [];
    return readIndex(bytes, descriptor.mediaType, `${location}:${tag}`).manifests;
  } catch (error) {
    if (errorCode(error) === 'ERR_MLIST_NOT_FOUND') return [];
    throw error;
  }
}

function endless(subject: string): MlistError {
  return new MlistError('ERR_MLIST_REGISTRY', `cannot list ${subject}: there is no end of pages`);
}
