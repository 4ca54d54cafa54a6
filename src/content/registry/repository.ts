import type {
  Content,
  ContentOptions,
  ContentSource,
  ContentTarget,
  FetchOptions,
  Mounts,
  Name,
  PutOptions,
} from '../../oci/content.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { digestOf, isDigest, isVerifiable, type Digest } from '../../oci/digest.ts';
import { MAX_DOCUMENT_BYTES } from '../../oci/json-read.ts';
import {
  isIndexType,
  isManifestType,
  isSchema1Type,
  MANIFEST_ACCEPT,
  mediaTypeOfHeader,
} from '../../oci/media-type.ts';
import { manifestTypeOf } from '../../schema/document.ts';
import { Blobs } from './blobs.ts';
import type { Call, Connection, Reply } from './connection.ts';
import type { Scope } from './scope.ts';
import { mismatch, verifyBytes, verifyHeader } from './verify.ts';

/** One repository of a registry (distribution-spec v1.1.1). */
export class Repository implements ContentTarget, Mounts {
  readonly domain: string;
  readonly path: string;
  readonly #connection: Connection;
  readonly #blobs: Blobs;
  /** Reads that are under way, so that the same content is not asked for twice at once. */
  readonly #reading = new Map<string, Promise<Content>>();

  constructor(connection: Connection, domain: string, path: string) {
    this.domain = domain;
    this.path = path;
    this.#connection = connection;
    this.#blobs = new Blobs(connection, this.location, path);
  }

  get location(): string {
    return `${this.domain}/${this.path}`;
  }

  async resolve(name: Name, options: ContentOptions = {}): Promise<Descriptor> {
    const found = await this.#head(name, options);
    if (found === undefined) return (await this.fetchManifest(name, options)).descriptor;
    return found;
  }

  /** By HEAD; undefined where the answer does not say enough, or HEAD is not served. */
  async #head(name: Name, options: ContentOptions): Promise<Descriptor | undefined> {
    const { status, headers } = await this.#manifest('HEAD', name, { accept: [200, 405], ...options });
    const digest = headers['docker-content-digest'] ?? (isDigest(name) ? name : '');
    const mediaType = mediaTypeOfHeader(headers['content-type']);
    const size = Number(headers['content-length']);
    if (status !== 200 || !isDigest(digest) || mediaType === undefined || !Number.isSafeInteger(size)) return undefined;
    if (isDigest(name) && isVerifiable(name) && digest !== name)
      throw mismatch(this.#nameOf(name), `is said to be ${digest}`);
    return { mediaType, digest, size };
  }

  fetchManifest(name: Name, options: FetchOptions = {}): Promise<Content> {
    const known = this.#reading.get(name);
    if (known !== undefined) return known;
    const reading = this.#get(name, options).finally(() => this.#reading.delete(name));
    this.#reading.set(name, reading);
    return reading;
  }

  async #get(name: Name, { expected, signal }: FetchOptions): Promise<Content> {
    const subject = this.#nameOf(name);
    const wanted = expected === undefined ? [] : [expected.mediaType];
    const { bytes, headers } = await this.#manifest('GET', name, { accept: [200], signal, types: wanted });
    if (headers['content-encoding'] !== undefined && headers['content-encoding'] !== 'identity') {
      throw mismatch(subject, 'came compressed, though nobody asked for that');
    }
    verifyBytes(subject, bytes, { ...expected, ...(isDigest(name) ? { digest: name } : {}) });
    verifyHeader(subject, headers['docker-content-digest'], bytes);
    const digest = isDigest(name) ? name : digestOf(bytes);
    return { descriptor: { mediaType: typeOf(headers, expected, bytes, subject), digest, size: bytes.length }, bytes };
  }

  async hasManifest(digest: Digest, options: ContentOptions = {}): Promise<boolean> {
    return (await this.#manifest('HEAD', digest, { accept: [200, 404], ...options })).status === 200;
  }

  async putManifest({ descriptor, bytes }: Content, name: Name, { ifMatch, signal }: PutOptions = {}): Promise<void> {
    const subject = this.#nameOf(name);
    const { headers } = await this.#connection.request(
      {
        step: { what: 'write', reference: subject },
        method: 'PUT',
        target: this.#target(name),
        scopes: this.#scopes(true),
        headers: {
          'content-type': descriptor.mediaType,
          ...(ifMatch === undefined ? {} : { 'if-match': `"${ifMatch}"` }),
        },
        body: bytes,
        accept: [200, 201, 202, 204],
        signal,
      },
      MAX_DOCUMENT_BYTES,
    );
    verifyHeader(subject, headers['docker-content-digest'], bytes);
  }

  hasBlob(descriptor: Descriptor, options: ContentOptions = {}): Promise<boolean> {
    return this.#blobs.has(descriptor, options);
  }

  fetchBlob(descriptor: Descriptor, options: ContentOptions = {}): Promise<Uint8Array> {
    return this.#blobs.fetch(descriptor, options);
  }

  readBlob(descriptor: Descriptor, options: ContentOptions = {}): AsyncIterable<Uint8Array> {
    return this.#blobs.read(descriptor, options);
  }

  putBlob(descriptor: Descriptor, open: () => AsyncIterable<Uint8Array>, options: ContentOptions = {}): Promise<void> {
    return this.#blobs.put(descriptor, open, options);
  }

  canMountFrom(source: ContentSource): boolean {
    return source instanceof Repository && source.domain === this.domain;
  }

  mountBlob(
    descriptor: Descriptor,
    from: ContentSource,
    open: () => AsyncIterable<Uint8Array>,
    options: ContentOptions = {},
  ): Promise<'mounted' | 'uploaded'> {
    if (!(from instanceof Repository)) return this.putBlob(descriptor, open, options).then(() => 'uploaded');
    return this.#blobs.mount(descriptor, from.path, open, options);
  }

  #manifest(
    method: 'GET' | 'HEAD',
    name: Name,
    { accept, signal, types = [] }: Pick<Call, 'accept' | 'signal'> & { readonly types?: readonly string[] },
  ): Promise<Reply> {
    const call: Call = {
      step: { what: 'read', reference: this.#nameOf(name) },
      method,
      target: this.#target(name),
      scopes: this.#scopes(false),
      headers: { accept: [...types.filter((type) => !MANIFEST_ACCEPT.includes(type)), MANIFEST_ACCEPT].join(', ') },
      accept,
      signal,
    };
    return this.#connection.request(call, MAX_DOCUMENT_BYTES);
  }

  #target(name: Name): string {
    return `/v2/${this.path}/manifests/${name}`;
  }

  #nameOf(name: Name): string {
    return `${this.location}${isDigest(name) ? '@' : ':'}${name}`;
  }

  #scopes(push: boolean): readonly Scope[] {
    return [{ repository: this.path, push }];
  }
}

/** What the bytes are (spec.md 1.4): as expected by a descriptor whose digest fits, as served, as the body says. */
function typeOf(
  headers: Reply['headers'],
  expected: FetchOptions['expected'],
  bytes: Uint8Array,
  subject: string,
): string {
  if (expected !== undefined) return expected.mediaType;
  const served = mediaTypeOfHeader(headers['content-type']) ?? '';
  const isKnown = isIndexType(served) || isManifestType(served) || isSchema1Type(served);
  return isKnown ? served : manifestTypeOf(bytes, subject);
}
