import { SingleFlight } from '../../async/single-flight.ts';
import { errorCode, MlistError } from '../../errors/errors.ts';
import type { Content, ContentOptions, FetchOptions, Name, PutOptions } from '../store.ts';
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
import type { Connection } from './connection.ts';
import { decodedDocument } from './http/content-encoding.ts';
import { backoff, HEAD_REFUSED } from './http/retry.ts';
import { deleteIn, pullFrom, pushTo } from './auth/scope.ts';
import { mismatch, verifyBytes, verifyHeader } from './blobs/verify-response.ts';

export interface ManifestsParts {
  readonly connection: Connection;
  /** `domain/path`, for errors. */
  readonly location: string;
  readonly path: string;
}

/** What only a registry can be asked for. */
export interface RegistryFetchOptions extends FetchOptions {
  /** What caches on the way hold does not count (RFC 9111 section 5.2.1.4). */
  readonly fresh?: boolean | undefined;
}

/** How often a tag that was seen is looked for again. */
const LOOKS = 3;

/** The manifests and tags of one repository (distribution-spec v1.1.1 "Pulling manifests", "Pushing Manifests"). */
export class Manifests {
  readonly #parts: ManifestsParts;
  /** Reads that are under way, so that the same content is not asked for twice at once. */
  readonly #reading = new SingleFlight<Content>();
  /** Tags that are known to be there: a registry that denies it while the tag is being moved is asked again. */
  readonly #seen = new Set<Name>();
  /** Tags that references name together with a digest, by that digest. */
  readonly #tags = new Map<Name, string>();

  constructor(parts: ManifestsParts) {
    this.#parts = parts;
  }

  /**
   * The descriptor, by HEAD; undefined if the answer does not state all of it, or HEAD is refused. An answer of another
   * type, such as an HTML page, is not about a manifest, whatever its status.
   */
  async head(name: Name, { signal }: ContentOptions): Promise<Descriptor | undefined> {
    const { status, headers } = await this.#look('HEAD', name, { accept: [200, ...HEAD_REFUSED], signal });
    const digest = headers['docker-content-digest'] ?? (isDigest(name) ? name : '');
    const mediaType = mediaTypeOfHeader(headers['content-type']);
    const size = statedSize(headers);
    if (status !== 200 || !isDigest(digest) || mediaType === undefined || size === undefined) return undefined;
    if (headers['docker-content-digest'] === undefined && !isServedAsManifest(mediaType)) return undefined;
    if (isDigest(name) && isVerifiable(name) && digest !== name)
      throw mismatch(this.#nameOf(name), `is said to be ${digest}`);
    return { mediaType, digest, size };
  }

  /** Asks by HEAD, and by GET if HEAD is refused or its answer states too little. */
  async has(digest: Digest, { signal }: ContentOptions): Promise<boolean> {
    const { status, headers } = await this.#read('HEAD', digest, { accept: [200, 404, ...HEAD_REFUSED], signal });
    if (status === 404) return false;
    const stated = headers['docker-content-digest'];
    const isKnown = isServedAsManifest(mediaTypeOfHeader(headers['content-type']) ?? '');
    if (status === 200 && (stated === digest || (stated === undefined && isKnown))) return true;
    return (await ignoreNotFound(this.#get(digest, { signal }))) !== undefined;
  }

  async get(name: Name, options: RegistryFetchOptions): Promise<Content> {
    const { expected, fresh, signal } = options;
    if (fresh === true) return this.#get(name, options);
    const types = expected === undefined ? '' : ` ${expected.mediaType} ${expected.size} ${expected.digest}`;
    return this.#reading.run(`${name}${types}`, () => this.#get(name, { expected, signal }), signal);
  }

  async #get(name: Name, { expected, fresh, signal }: RegistryFetchOptions): Promise<Content> {
    const subject = this.#nameOf(name);
    const wanted = expected === undefined ? [] : [expected.mediaType];
    const { bytes, headers } = await this.#look('GET', name, { accept: [200], signal, types: wanted, fresh });
    verifyBytes(subject, bytes, { ...expected, ...(isDigest(name) ? { digest: name } : {}) });
    verifyHeader(subject, headers['docker-content-digest'], bytes);
    const digest = isDigest(name) ? name : digestOf(bytes);
    const announced = mediaTypeOfHeader(headers['content-type']);
    const mediaType = expected?.mediaType ?? typeOf(announced, bytes, subject);
    const isOther = expected === undefined && isServedAsManifest(announced ?? '') && announced !== mediaType;
    const content = { descriptor: { mediaType, digest, size: bytes.length }, bytes };
    return isOther ? { ...content, announced } : content;
  }

  /**
   * A PUT of the same bytes may be sent again after an answer that was lost, or that leaves open what became of it. One
   * with a condition may not: it would run into what it has done itself. Any status of success but 201 is confirmed by
   * reading the manifest.
   */
  async put({ descriptor, bytes }: Content, name: Name, options: PutOptions): Promise<void> {
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
    this.#seen.add(name);
  }

  /** What the registry shows under a name instead of these bytes; undefined if it shows them. */
  async #shownInstead(name: Name, bytes: Uint8Array, signal: AbortSignal | undefined): Promise<string | undefined> {
    const head = await this.#read('HEAD', name, { accept: [200, 404, ...HEAD_REFUSED], fresh: true, signal });
    if (head.status === 404) return 'does not have it';
    const stated = head.status === 200 ? (head.headers['docker-content-digest'] ?? '') : '';
    if (isDigest(stated) && isVerifiable(stated)) return digestMatches(stated, bytes) ? undefined : `has ${stated}`;
    const got = await this.#read('GET', name, { accept: [200, 404], fresh: true, signal });
    if (got.status === 404) return 'does not have it';
    if (Buffer.compare(got.bytes, bytes) === 0) return undefined;
    const type = mediaTypeOfHeader(got.headers['content-type']) ?? '';
    return `has ${digestOf(got.bytes)} (${isMediaType(type) ? type : 'of unknown type'})`;
  }

  /** Records that a reference names a tag together with a digest. */
  learn(digest: Digest, tag: string): void {
    this.#tags.set(digest, tag);
  }

  /** Tags that a list of them names are there. */
  see(tag: string): void {
    this.#seen.add(tag);
  }

  /**
   * Deletes a tag, or a manifest with all tags that name it. The answer to that is 202 (distribution-spec v1.1.1 "Deleting
   * Manifests"); any other status of success is confirmed by a read.
   */
  async delete(name: Name, { signal }: ContentOptions): Promise<void> {
    const { connection, path } = this.#parts;
    const subject = this.#nameOf(name);
    const call: RegistryRequest = {
      step: { what: 'delete', reference: subject },
      method: 'DELETE',
      target: this.#target(name),
      scopes: [deleteIn(path)],
      accept: [200, 202, 204, 400, 405],
      // The answer to the first one may be what was lost.
      acceptAgain: [404],
      signal,
    };
    const { status } = await connection.request(call, MAX_DOCUMENT_BYTES);
    if (status === 400 || status === 405) throw cannotDelete(subject, status, isDigest(name), connection.base.host);
    this.#seen.delete(name);
    if (status === 202 || status === 404) return;
    const read = async () => ((await this.#isThere(name, signal)) ? 'still has it' : undefined);
    await confirmChange({ step: call.step, connection, status, expected: 202, read, signal });
  }

  async #isThere(name: Name, signal: AbortSignal | undefined): Promise<boolean> {
    const { status } = await this.#read('HEAD', name, { accept: [200, 404, ...HEAD_REFUSED], signal });
    if (status === 200 || status === 404) return status === 200;
    return (await this.#read('GET', name, { accept: [200, 404], signal })).status === 200;
  }

  /** Reads a name; again if it is known to exist, but the registry denies it. */
  async #look(method: 'GET' | 'HEAD', name: Name, reading: Reading): Promise<RegistryResponse> {
    for (let looks = 1; ; looks += 1) {
      const isSeen = this.#seen.has(name) && looks <= LOOKS;
      try {
        const retries = this.#seen.has(name) ? Math.max(LOOKS, this.#parts.connection.client.retries) : undefined;
        const reply = await this.#read(method, name, { ...reading, retries });
        if (reply.status === 200) this.#seen.add(name);
        return reply;
      } catch (thrown) {
        const isAbsent = errorCode(thrown) === 'ERR_MLIST_NOT_FOUND';
        const tagged = isAbsent ? await this.#readByTag(name, reading) : undefined;
        if (tagged !== undefined) return tagged;
        if (!isAbsent || !isSeen) throw thrown;
      }
      await this.#parts.connection.client.pause(backoff(looks), reading.signal);
    }
  }

  /** A pull-through cache may know a digest only once its tag has been read. */
  async #readByTag(name: Name, reading: Reading): Promise<RegistryResponse | undefined> {
    const tag = this.#tags.get(name);
    if (tag === undefined || !isDigest(name) || !isVerifiable(name)) return undefined;
    const reply = await ignoreNotFound(this.#read('GET', tag, { ...reading, accept: [200] }));
    return reply !== undefined && digestMatches(name, reply.bytes) ? reply : undefined;
  }

  async #read(
    method: 'GET' | 'HEAD',
    name: Name,
    { types = [], fresh = false, ...reading }: Reading,
  ): Promise<RegistryResponse> {
    const { connection, path } = this.#parts;
    const accept = [...types.filter((type) => !MANIFEST_ACCEPT.includes(type)), MANIFEST_ACCEPT].join(', ');
    const call: RegistryRequest = {
      step: { what: 'read', reference: this.#nameOf(name) },
      method,
      target: this.#target(name),
      scopes: [pullFrom(path)],
      headers: { accept, ...(fresh ? { 'cache-control': 'no-cache' } : {}) },
      ...reading,
    };
    const reply = await connection.request(call, MAX_DOCUMENT_BYTES);
    return method === 'GET' ? { ...reply, bytes: await decodedDocument(reply, this.#nameOf(name)) } : reply;
  }

  #target(name: Name): string {
    return `/v2/${this.#parts.path}/manifests/${name}`;
  }

  #nameOf(name: Name): string {
    return `${this.#parts.location}${isDigest(name) ? '@' : ':'}${name}`;
  }
}

interface Reading extends Pick<RegistryRequest, 'accept' | 'signal' | 'retries'> {
  readonly types?: readonly string[];
  readonly fresh?: boolean | undefined;
}

/** The media type of content without a descriptor (spec.md 1.4): the announced one, or the one that the body states. */
function typeOf(announced = '', bytes: Uint8Array, subject: string): string {
  if (announced === MediaType.dockerManifest) return typeOfDockerManifest(bytes);
  return isServedAsManifest(announced) ? announced : manifestTypeOf(bytes, subject);
}

/** Registries need not be able to delete, and many can only delete by digest (distribution-spec v1.1.1 "Deleting tags"). */
function cannotDelete(subject: string, status: number, isByDigest: boolean, host: string): MlistError {
  const what = isByDigest ? 'manifests' : 'single tags';
  return new MlistError(
    'ERR_MLIST_REGISTRY',
    `cannot delete ${subject}: ${host} does not delete ${what} (HTTP ${status})`,
    {
      reference: subject,
      status,
      hint: isByDigest
        ? 'Deleting may have to be enabled in the registry.'
        : 'By its digest alone a manifest may be deleted, and all its tags with it: "mlist delete REPO@DIGEST".',
    },
  );
}

function conditionOf(expected: PutOptions['ifMatch']): Readonly<Record<string, string>> {
  if (expected === undefined) return {};
  return expected === 'absent' ? { 'if-none-match': '*' } : { 'if-match': `"${expected}"` };
}
