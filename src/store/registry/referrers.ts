import { MlistError } from '../../errors/errors.ts';
import type { Content, ContentOptions, FetchOptions, Name } from '../store.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import { MAX_DOCUMENT_BYTES } from '../../json/parse.ts';
import { isIndexType, MediaType } from '../../oci/media-type.ts';
import { referrersTag } from '../../oci/referrers-tag.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import { readIndex } from '../../schema/documents.ts';
import type { RegistryResponse } from './request.ts';
import type { Connection } from './connection.ts';
import { decodedDocument } from './http/content-encoding.ts';
import { nextAddress } from './http/link-header.ts';
import { pullFrom } from './auth/scope.ts';

export interface ReferrersParts {
  readonly connection: Connection;
  /** `domain/path`, for errors. */
  readonly location: string;
  readonly path: string;
  readonly fetchManifest: (name: Name, options: FetchOptions) => Promise<Content>;
}

/** Nobody has so many signatures; a registry that pages for ever is left. */
const MAX_PAGES = 1000;

/** Answers of registries that do not know the API (distribution-spec v1.1.1 "Listing Referrers"): 404, or they refuse it. */
const ANSWERS = [200, 400, 404, 405];

/** What refers to the manifests of one repository (distribution-spec v1.1.1 "Listing Referrers"). */
export class ReferrersOf {
  readonly #parts: ReferrersParts;
  /** Whether the registry has the API; undefined until it was asked. One that has it answers for every digest. */
  #hasApi: boolean | undefined;

  constructor(parts: ReferrersParts) {
    this.#parts = parts;
  }

  /**
   * The manifests whose subject is the digest, page by page; where the registry has no referrers API, those that the
   * fallback tag lists. Filtered here, whatever the registry has filtered.
   * @throws MlistError `ERR_MLIST_FORBIDDEN_ADDRESS` where a page is said to lie on another host
   */
  async list(
    digest: Digest,
    artifactType: string | undefined,
    options: ContentOptions,
  ): Promise<readonly Descriptor[]> {
    const found = (await this.#fromApi(digest, options)) ?? (await this.#fromTag(digest, options));
    return artifactType === undefined ? found : found.filter((one) => one.artifactType === artifactType);
  }

  /** Whether the registry has the referrers API, and so finds what refers to a manifest by itself. */
  async hasApi(digest: Digest, options: ContentOptions): Promise<boolean> {
    return this.#hasApi ?? (await this.#page(this.#first(digest), digest, ANSWERS, options)).status === 200;
  }

  async #fromApi(digest: Digest, options: ContentOptions): Promise<readonly Descriptor[] | undefined> {
    if (this.#hasApi === false) return undefined;
    const subject = `the referrers of ${this.#parts.location}@${digest}`;
    const found = new Map<Digest, Descriptor>();
    let target: string | URL | undefined = this.#first(digest);
    for (let pages = 0; target !== undefined; pages += 1) {
      const reply: RegistryResponse = await this.#page(target, digest, pages === 0 ? ANSWERS : [200], options);
      if (reply.status !== 200) return undefined;
      const bytes = await decodedDocument(reply, subject);
      for (const descriptor of readIndex(bytes, undefined, subject).manifests) {
        found.set(descriptor.digest, descriptor);
      }
      target = this.#next(reply, digest);
      if (pages >= MAX_PAGES) throw endless(subject);
    }
    return [...found.values()];
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
    const reply = await connection.request(
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
    this.#hasApi = reply.status === 200;
    return reply;
  }

  /** The address of the next page; undefined on the last one. */
  #next(reply: RegistryResponse, digest: Digest): URL | undefined {
    const { connection, location } = this.#parts;
    const address = nextAddress(reply, this.#first(digest), connection.base, `${location}@${digest}`);
    return address?.href === reply.url.href ? undefined : address;
  }

  /** distribution-spec v1.1.1 "Referrers Tag Schema": a tag that is missing, or is not an index, lists nothing. */
  async #fromTag(digest: Digest, { signal }: ContentOptions): Promise<readonly Descriptor[]> {
    const { fetchManifest, location } = this.#parts;
    const tag = referrersTag(digest);
    const content = await ignoreNotFound(fetchManifest(tag, { signal }));
    if (content === undefined || !isIndexType(content.descriptor.mediaType)) return [];
    return readIndex(content.bytes, content.descriptor.mediaType, `${location}:${tag}`).manifests;
  }
}

function endless(subject: string): MlistError {
  return new MlistError('ERR_MLIST_REGISTRY', `cannot list ${subject}: there is no end of pages`);
}
