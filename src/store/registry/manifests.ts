import { SingleFlight } from '../../async/single-flight.ts';
import { errorCode, MlistError } from '../../errors/errors.ts';
import type { ManifestContent, ContentOptions, FetchOptions, TagOrDigest, PutOptions } from '../store.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { digestMatches, digestOf, isDigest, isVerifiable, type Digest } from '../../oci/digest.ts';
import { MAX_DOCUMENT_BYTES } from '../../json/parse.ts';
import {
  isMediaType,
  isServedAsManifest,
  MANIFEST_ACCEPT,
  mediaTypeOfHeader,
  MediaType,
} from '../../oci/media-type.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import { manifestTypeOf, typeOfDockerManifest } from '../../schema/documents.ts';
import { confirmChange, statedSize } from './confirm-change.ts';
import type { RegistryRequest, RegistryResponse } from './request.ts';
import type { ConnectedRepository } from './connection.ts';
import { decodedDocument } from './http/content-encoding.ts';
import { backoff, HEAD_REFUSED } from './http/retry.ts';
import { deleteIn, pullFrom, pushTo } from './auth/scope.ts';
import { mismatch, verifyBytes, verifyHeader } from './blobs/verify-response.ts';

export interface RegistryFetchOptions extends FetchOptions {
  /**
   * Whether to bypass caches between the client and the registry (`no-cache`, RFC 9111 section 5.2.1.4). Default false.
   */
  readonly fresh?: boolean | undefined;
}

/** Maximum number of times that a tag or digest is read again after a 404, if it is known to exist. */
const REREADS = 3;

/**
 * Reads, writes and deletes the manifests and tags of one repository (distribution-spec v1.1.1 "Pulling manifests",
 * "Pushing Manifests").
 */
export class Manifests {
  readonly #parts: ConnectedRepository;
  /** Reads in progress. Concurrent reads of the same content share one request. */
  readonly #reads = new SingleFlight<ManifestContent>();
  /**
   * Tags and digests that are known to exist. A 404 for one of them is retried, because a registry may answer 404 while
   * a tag is being moved.
   */
  readonly #existing = new Set<TagOrDigest>();
  /** Tags from references with both a tag and a digest, keyed by digest. */
  readonly #tags = new Map<TagOrDigest, string>();

  constructor(parts: ConnectedRepository) {
    this.#parts = parts;
  }

  /**
   * Requests the descriptor of a manifest by HEAD. Returns undefined if HEAD is refused, or if the response lacks a
   * part of the descriptor. Also returns undefined if the response has neither a `Docker-Content-Digest` header nor the
   * media type of a manifest, because it may be an HTML page.
   * @throws MlistError `ERR_MLIST_NOT_FOUND` if the manifest does not exist; `ERR_MLIST_CONTENT_MISMATCH` if the
   * response has another digest than the requested one
   */
  async head(name: TagOrDigest, { signal }: ContentOptions): Promise<Descriptor | undefined> {
    const { status, headers } = await this.#readExisting('HEAD', name, { accept: [200, ...HEAD_REFUSED], signal });
    const digest = headers['docker-content-digest'] ?? (isDigest(name) ? name : '');
    const mediaType = mediaTypeOfHeader(headers['content-type']);
    const size = statedSize(headers);
    if (status !== 200 || !isDigest(digest) || mediaType === undefined || size === undefined) return undefined;
    if (headers['docker-content-digest'] === undefined && !isServedAsManifest(mediaType)) return undefined;
    if (isDigest(name) && isVerifiable(name) && digest !== name)
      throw mismatch(this.#nameOf(name), `has another digest in the response (Docker-Content-Digest: ${digest})`);
    return { mediaType, digest, size };
  }

  /**
   * Whether the registry has a manifest. Sends HEAD, and also GET if HEAD is refused, or if the response to HEAD does
   * not identify the manifest.
   */
  async has(digest: Digest, { signal }: ContentOptions): Promise<boolean> {
    const { status, headers } = await this.#read('HEAD', digest, { accept: [200, 404, ...HEAD_REFUSED], signal });
    if (status === 404) return false;
    const stated = headers['docker-content-digest'];
    const isKnown = isServedAsManifest(mediaTypeOfHeader(headers['content-type']) ?? '');
    if (status === 200 && (stated === digest || (stated === undefined && isKnown))) return true;
    return (await ignoreNotFound(this.#get(digest, { signal }))) !== undefined;
  }

  /**
   * Fetches and verifies a manifest. Concurrent calls with equal `name` and `expected` share one request, except with
   * `fresh`.
   */
  async get(name: TagOrDigest, options: RegistryFetchOptions): Promise<ManifestContent> {
    const { expected, fresh, signal } = options;
    if (fresh === true) return this.#get(name, options);
    const types = expected === undefined ? '' : ` ${expected.mediaType} ${expected.size} ${expected.digest}`;
    return this.#reads.run(`${name}${types}`, () => this.#get(name, { expected, signal }), signal);
  }

  async #get(name: TagOrDigest, { expected, fresh, signal }: RegistryFetchOptions): Promise<ManifestContent> {
    const subject = this.#nameOf(name);
    const types = expected === undefined ? [] : [expected.mediaType];
    const { bytes, headers } = await this.#readExisting('GET', name, { accept: [200], signal, types, fresh });
    verifyBytes(subject, bytes, { ...expected, ...(isDigest(name) ? { digest: name } : {}) });
    verifyHeader(subject, headers['docker-content-digest'], bytes);
    const digest = isDigest(name) ? name : digestOf(bytes);
    const contentType = mediaTypeOfHeader(headers['content-type']);
    const mediaType = expected?.mediaType ?? typeOf(contentType, bytes, subject);
    const isOther = expected === undefined && isServedAsManifest(contentType ?? '') && contentType !== mediaType;
    const content = { descriptor: { mediaType, digest, size: bytes.length }, bytes };
    return isOther ? { ...content, announced: contentType } : content;
  }

  /**
   * Writes a manifest. The PUT is retried even if the registry may have processed it, because every attempt writes the
   * same bytes. A PUT with a condition is not retried in this case, because the condition would fail if the first PUT
   * had succeeded. With `once`, no PUT is retried. After a 2xx status other than 201, the manifest is read to confirm
   * the write.
   * @throws MlistError `ERR_MLIST_CONFLICT` if the condition fails; `ERR_MLIST_REGISTRY` if the write is not confirmed
   */
  async put({ descriptor, bytes }: ManifestContent, name: TagOrDigest, options: PutOptions): Promise<void> {
    const { ifMatch, once = false, signal } = options;
    const { connection, path } = this.#parts;
    const subject = this.#nameOf(name);
    const step = { what: 'write', reference: subject };
    const { status, headers } = await connection.request(
      {
        step,
        method: 'PUT',
        target: this.#target(name),
        scopes: [pushTo(path)],
        headers: { 'content-type': descriptor.mediaType, ...conditionOf(ifMatch) },
        body: bytes,
        accept: [200, 201, 202, 204],
        repeatable: ifMatch === undefined && !once,
        isManifestWrite: true,
        ...(once ? { retries: 0 } : {}),
        signal,
      },
      MAX_DOCUMENT_BYTES,
    );
    verifyHeader(subject, headers['docker-content-digest'], bytes);
    if (status !== 201) {
      const read = () => this.#shownInstead(name, bytes, signal);
      await confirmChange({ step, connection, status, expected: 201, read, signal });
    }
    this.#existing.add(name);
  }

  /**
   * Reads a manifest after a write. Returns undefined if the registry has these bytes. Otherwise returns the end of the
   * error message, such as `does not have it`.
   */
  async #shownInstead(
    name: TagOrDigest,
    bytes: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<string | undefined> {
    const head = await this.#read('HEAD', name, { accept: [200, 404, ...HEAD_REFUSED], fresh: true, signal });
    if (head.status === 404) return 'does not have it';
    const stated = head.status === 200 ? (head.headers['docker-content-digest'] ?? '') : '';
    if (isDigest(stated) && isVerifiable(stated))
      return digestMatches(stated, bytes) ? undefined : `has ${stated} instead`;
    const response = await this.#read('GET', name, { accept: [200, 404], fresh: true, signal });
    if (response.status === 404) return 'does not have it';
    if (Buffer.compare(response.bytes, bytes) === 0) return undefined;
    const type = mediaTypeOfHeader(response.headers['content-type']) ?? '';
    return `has ${digestOf(response.bytes)} (${isMediaType(type) ? type : 'unknown media type'}) instead`;
  }

  /**
   * Records the tag of a reference that has both a tag and a digest. If the registry does not find the digest, the
   * manifest is read by this tag.
   */
  learn(digest: Digest, tag: string): void {
    this.#tags.set(digest, tag);
  }

  /** Records that the tag list contains a tag, so that a 404 for this tag is retried. */
  markExisting(tag: string): void {
    this.#existing.add(tag);
  }

  /**
   * Deletes a tag, or a manifest with all its tags. The registry should answer 202 (distribution-spec v1.1.1 "Deleting
   * Manifests"). After another 2xx status, a read confirms the deletion.
   */
  async delete(name: TagOrDigest, { signal }: ContentOptions): Promise<void> {
    const { connection, path } = this.#parts;
    const subject = this.#nameOf(name);
    const request: RegistryRequest = {
      step: { what: 'delete', reference: subject },
      method: 'DELETE',
      target: this.#target(name),
      scopes: [deleteIn(path)],
      accept: [200, 202, 204, 400, 405],
      // After a retry, a 404 means that an earlier attempt succeeded, but its response was lost.
      acceptAgain: [404],
      signal,
    };
    const { status } = await connection.request(request, MAX_DOCUMENT_BYTES);
    if (status === 400 || status === 405) throw cannotDelete(subject, status, isDigest(name), connection.base.host);
    this.#existing.delete(name);
    if (status === 202 || status === 404) return;
    const read = async () => ((await this.#exists(name, signal)) ? 'still has it' : undefined);
    await confirmChange({ step: request.step, connection, status, expected: 202, read, signal });
  }

  async #exists(name: TagOrDigest, signal: AbortSignal | undefined): Promise<boolean> {
    const { status } = await this.#read('HEAD', name, { accept: [200, 404, ...HEAD_REFUSED], signal });
    if (status === 200 || status === 404) return status === 200;
    return (await this.#read('GET', name, { accept: [200, 404], signal })).status === 200;
  }

  /**
   * Requests a manifest. After a 404 for a digest whose tag is known, the manifest is read by this tag. A 404 for a tag
   * or digest that is known to exist is retried.
   */
  async #readExisting(method: 'GET' | 'HEAD', name: TagOrDigest, options: ReadOptions): Promise<RegistryResponse> {
    for (let attempt = 1; ; attempt += 1) {
      const isRetried = this.#existing.has(name) && attempt <= REREADS;
      try {
        const retries = this.#existing.has(name) ? Math.max(REREADS, this.#parts.connection.retries) : undefined;
        const response = await this.#read(method, name, { ...options, retries });
        if (response.status === 200) this.#existing.add(name);
        return response;
      } catch (thrown) {
        const isAbsent = errorCode(thrown) === 'ERR_MLIST_NOT_FOUND';
        const byTag = isAbsent ? await this.#readByTag(name, options) : undefined;
        if (byTag !== undefined) return byTag;
        if (!isAbsent || !isRetried) throw thrown;
      }
      await this.#parts.connection.client.pause(backoff(attempt), options.signal);
    }
  }

  /**
   * Reads the manifest of a digest by the tag that was recorded with `learn`, because a pull-through cache may not have
   * the digest before its tag has been read. Returns undefined if no tag is recorded or found, or if the tag's
   * manifest does not match the digest.
   */
  async #readByTag(name: TagOrDigest, options: ReadOptions): Promise<RegistryResponse | undefined> {
    const tag = this.#tags.get(name);
    if (tag === undefined || !isDigest(name) || !isVerifiable(name)) return undefined;
    const response = await ignoreNotFound(this.#read('GET', tag, { ...options, accept: [200] }));
    return response !== undefined && digestMatches(name, response.bytes) ? response : undefined;
  }

  async #read(
    method: 'GET' | 'HEAD',
    name: TagOrDigest,
    { types = [], fresh = false, ...options }: ReadOptions,
  ): Promise<RegistryResponse> {
    const { connection, path } = this.#parts;
    const accept = [...types.filter((type) => !MANIFEST_ACCEPT.includes(type)), MANIFEST_ACCEPT].join(', ');
    const request: RegistryRequest = {
      step: { what: 'read', reference: this.#nameOf(name) },
      method,
      target: this.#target(name),
      scopes: [pullFrom(path)],
      headers: { accept, ...(fresh ? { 'cache-control': 'no-cache' } : {}) },
      ...options,
    };
    const response = await connection.request(request, MAX_DOCUMENT_BYTES);
    if (method === 'HEAD') return response;
    return { ...response, bytes: await decodedDocument(response, this.#nameOf(name)) };
  }

  #target(name: TagOrDigest): string {
    return `/v2/${this.#parts.path}/manifests/${name}`;
  }

  #nameOf(name: TagOrDigest): string {
    return `${this.#parts.location}${isDigest(name) ? '@' : ':'}${name}`;
  }
}

interface ReadOptions extends Pick<RegistryRequest, 'accept' | 'signal' | 'retries'> {
  /** Media types for the `Accept` header, in addition to `MANIFEST_ACCEPT`. */
  readonly types?: readonly string[];
  readonly fresh?: boolean | undefined;
}

/**
 * Returns the media type of a manifest that was requested without a descriptor. Takes it from the `Content-Type`
 * header, or from the body if the header is not the type of a manifest or list. Also takes it from the body if the
 * header is the type of a Docker manifest, because some registries send this header with OCI manifests.
 */
function typeOf(contentType = '', bytes: Uint8Array, subject: string): string {
  if (contentType === MediaType.dockerManifest) return typeOfDockerManifest(bytes);
  return isServedAsManifest(contentType) ? contentType : manifestTypeOf(bytes, subject);
}

/**
 * Creates the error for a deletion that the registry refuses. Registries may disable all deletions, or support deletion
 * only by digest (distribution-spec v1.1.1 "Deleting tags").
 */
function cannotDelete(subject: string, status: number, isByDigest: boolean, host: string): MlistError {
  const what = isByDigest ? 'manifests' : 'tags';
  const message = `cannot delete ${subject}: ${host} does not support deleting ${what} (HTTP ${status})`;
  return new MlistError('ERR_MLIST_REGISTRY', message, {
    reference: subject,
    status,
    hint: isByDigest
      ? 'Check whether deletion is enabled in the configuration of the registry.'
      : 'Delete the manifest with "mlist delete REPO@DIGEST" instead. This also deletes its other tags.',
  });
}

function conditionOf(expected: PutOptions['ifMatch']): Readonly<Record<string, string>> {
  if (expected === undefined) return {};
  return expected === 'absent' ? { 'if-none-match': '*' } : { 'if-match': `"${expected}"` };
}
