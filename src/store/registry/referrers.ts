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

/** Maximum number of pages. More are an error, because a registry may send a link to a next page forever. */
const MAX_PAGES = 1000;
const MAX_BYTES = 64 * 1024 * 1024;

/**
 * Statuses that are accepted for the first page. A registry without the referrers API should answer 404
 * (distribution-spec v1.1.1 "Listing Referrers"); some answer 400 or 405.
 */
const STATUSES = [200, 400, 404, 405];

/** Lists the referrers of manifests in one repository (distribution-spec v1.1.1 "Listing Referrers"). */
export class ReferrersOf {
  readonly #parts: ReferrersParts;
  /**
   * Whether the registry has the referrers API, according to the last response; undefined before the first response.
   * The value applies to all digests.
   */
  #hasApi: boolean | undefined;

  constructor(parts: ReferrersParts) {
    this.#parts = parts;
  }

  /**
   * Lists the manifests whose subject has the digest, from the referrers API or, if the registry does not have it, from
   * the referrers tag. Filters them by artifact type after reading them, because a registry may ignore a filter in the
   * request.
   * @throws MlistError `ERR_MLIST_FORBIDDEN_ADDRESS` if the link to the next page leads to another host;
   * `ERR_MLIST_REGISTRY` if the registry sends too many pages or bytes
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

  /** Whether the registry has the referrers API. If not, clients list referrers under the referrers tag. */
  async hasApi(digest: Digest, options: ContentOptions): Promise<boolean> {
    return this.#hasApi ?? (await this.#page(this.#first(digest), digest, STATUSES, options)).status === 200;
  }

  /** Reads the referrers from the API. Returns undefined if the registry does not have it. */
  async #fromApi(digest: Digest, options: ContentOptions): Promise<readonly Descriptor[] | undefined> {
    if (this.#hasApi === false) return undefined;
    const subject = `the list of referrers of ${this.#parts.location}@${digest}`;
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
      if (pages >= MAX_PAGES) throw this.#tooLong(digest, `${MAX_PAGES} pages`);
      if (size > MAX_BYTES) throw this.#tooLong(digest, `${MAX_BYTES / 1024 / 1024} MiB`);
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

  /** Returns the address of the next page; undefined on the last page, or if the link leads to the same page. */
  #next(response: RegistryResponse, digest: Digest): URL | undefined {
    const { connection, location } = this.#parts;
    const address = nextAddress(response, this.#first(digest), connection.base, `${location}@${digest}`);
    return address?.href === response.url.href ? undefined : address;
  }

  /**
   * Reads the referrers from the referrers tag (distribution-spec v1.1.1 "Referrers Tag Schema"). Returns an empty
   * array if the tag does not exist or is not an index.
   */
  async #fromTag(digest: Digest, { signal }: ContentOptions): Promise<readonly Descriptor[]> {
    const { fetchManifest, location } = this.#parts;
    const tag = referrersTag(digest);
    const content = await ignoreNotFound(fetchManifest(tag, { signal }));
    if (content === undefined || !isIndexType(content.descriptor.mediaType)) return [];
    return readIndex(content.bytes, content.descriptor.mediaType, `${location}:${tag}`).manifests;
  }

  #tooLong(digest: Digest, limit: string): MlistError {
    const { connection, location } = this.#parts;
    const reference = `${location}@${digest}`;
    const message = `cannot list the referrers of ${reference}: ${connection.base.host} sends more than ${limit}`;
    return new MlistError('ERR_MLIST_REGISTRY', message, { reference });
  }
}
