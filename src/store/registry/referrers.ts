import { MlistError } from '../../errors/errors.ts';
import type { ManifestContent, ContentOptions, FetchOptions, TagOrDigest } from '../store.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { MAX_DOCUMENT_BYTES } from '../../json/parse.ts';
import { isIndexType, MediaType } from '../../oci/media-type.ts';
import { referrersTag } from '../../oci/referrers-tag.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import { readIndex } from '../../schema/documents.ts';
import type { RegistryResponse } from './request.ts';
import type { ConnectedRepository } from './connection.ts';
import { decodedDocument } from './http/content-encoding.ts';
import { nextAddress } from './http/link-header.ts';
import { pullFrom } from './auth/scope.ts';

export interface ReferrersParts extends ConnectedRepository {
  readonly fetchManifest: (name: TagOrDigest, options: FetchOptions) => Promise<ManifestContent>;
}

/** Maximum number of pages, since a registry might always state a next one. */
const MAX_PAGES = 1000;
const MAX_BYTES = 64 * 1024 * 1024;

/**
 * The accepted statuses. Registries without the referrers API answer 404 or another error (distribution-spec v1.1.1
 * "Listing Referrers").
 */
const STATUSES = [200, 400, 404, 405];

/** Lists the referrers of manifests in one repository (distribution-spec v1.1.1 "Listing Referrers"). */
export class ReferrersOf {
  readonly #parts: ReferrersParts;
  /**
   * Whether the registry has the referrers API, which then works for every digest; undefined before the first request.
   */
  #hasApi: boolean | undefined;

  constructor(parts: ReferrersParts) {
    this.#parts = parts;
  }

  /**
   * The manifests whose subject is the digest, from the referrers API or, if the registry does not have it, from the
   * fallback tag. This method filters them by artifact type, since a registry may ignore the filter.
   * @throws MlistError `ERR_MLIST_FORBIDDEN_ADDRESS` if a page is on another host; `ERR_MLIST_REGISTRY` if the pages
   * never end
   */
  async list(
    digest: Digest,
    artifactType: string | undefined,
    options: ContentOptions,
  ): Promise<readonly Descriptor[]> {
    const referrers = (await this.#fromApi(digest, options)) ?? (await this.#fromTag(digest, options));
    if (artifactType === undefined) return referrers;
    return referrers.filter((referrer) => referrer.artifactType === artifactType);
  }

  /** Whether the registry has the referrers API, so that no fallback tag is needed. */
  async hasApi(digest: Digest, options: ContentOptions): Promise<boolean> {
    return this.#hasApi ?? (await this.#page(this.#first(digest), digest, STATUSES, options)).status === 200;
  }

  /** The referrers from the API; undefined if the registry does not have it. */
  async #fromApi(digest: Digest, options: ContentOptions): Promise<readonly Descriptor[] | undefined> {
    if (this.#hasApi === false) return undefined;
    const subject = `the referrers of ${this.#parts.location}@${digest}`;
    const referrers = new Map<Digest, Descriptor>();
    let target: string | URL | undefined = this.#first(digest);
    let size = 0;
    for (let pages = 0; target !== undefined; pages += 1) {
      const response: RegistryResponse = await this.#page(target, digest, pages === 0 ? STATUSES : [200], options);
      if (response.status !== 200) return undefined;
      const bytes = await decodedDocument(response, subject);
      for (const descriptor of readIndex(bytes, undefined, subject).manifests) {
        referrers.set(descriptor.digest, descriptor);
      }
      size += bytes.length;
      target = this.#next(response, digest);
      if (pages >= MAX_PAGES || size > MAX_BYTES) throw tooManyPages(subject);
    }
    return [...referrers.values()];
  }

  #first(digest: Digest): string {
    return `/v2/${this.#parts.path}/referrers/${digest}`;
  }

  async #page(
    target: string | URL,
    digest: Digest,
    accept: readonly number[],
    { signal }: ContentOptions,
  ): Promise<RegistryResponse> {
    const { connection, location, path } = this.#parts;
    const response = await connection.request(
      {
        step: { what: 'list the referrers of', reference: `${location}@${digest}` },
        method: 'GET',
        target,
        scopes: [pullFrom(path)],
        headers: { accept: MediaType.ociIndex },
        accept,
        signal,
      },
      MAX_DOCUMENT_BYTES,
    );
    this.#hasApi = response.status === 200;
    return response;
  }

  /** The address of the next page; undefined on the last one. */
  #next(response: RegistryResponse, digest: Digest): URL | undefined {
    const { connection, location } = this.#parts;
    const address = nextAddress(response, this.#first(digest), connection.base, `${location}@${digest}`);
    return address?.href === response.url.href ? undefined : address;
  }

  /**
   * The referrers from the fallback tag (distribution-spec v1.1.1 "Referrers Tag Schema"). If it is missing or not an
   * index, there are no referrers.
   */
  async #fromTag(digest: Digest, { signal }: ContentOptions): Promise<readonly Descriptor[]> {
    const { fetchManifest, location } = this.#parts;
    const tag = referrersTag(digest);
    const content = await ignoreNotFound(fetchManifest(tag, { signal }));
    if (content === undefined || !isIndexType(content.descriptor.mediaType)) return [];
    return readIndex(content.bytes, content.descriptor.mediaType, `${location}:${tag}`).manifests;
  }
}

function tooManyPages(subject: string): MlistError {
  return new MlistError('ERR_MLIST_REGISTRY', `cannot list ${subject}: the pages never end`);
}
