import type { ContentOptions } from '../../oci/content.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { MAX_DOCUMENT_BYTES } from '../../oci/json-read.ts';
import { MlistError } from '../../errors.ts';
import type { Connection, Reply } from './connection.ts';
import { failedExchange } from './failure.ts';
import { checkAddress } from './origin.ts';
import type { Scope } from './scope.ts';
import { mismatch, verified, verifyBytes } from './verify.ts';

/** The blobs of one repository: reading, uploading, mounting (distribution-spec v1.1.1 "Pulling blobs", "Pushing blobs"). */
export class Blobs {
  readonly #connection: Connection;
  readonly #location: string;
  readonly #path: string;

  constructor(connection: Connection, location: string, path: string) {
    this.#connection = connection;
    this.#location = location;
    this.#path = path;
  }

  async has(descriptor: Descriptor, { signal }: ContentOptions): Promise<boolean> {
    const { status } = await this.#connection.request(
      { ...this.#reading(descriptor, 'HEAD'), accept: [200, 404], signal },
      0,
    );
    return status === 200;
  }

  /** A small blob, whole. */
  async fetch(descriptor: Descriptor, { signal }: ContentOptions): Promise<Uint8Array> {
    const subject = this.#nameOf(descriptor);
    if (descriptor.size > MAX_DOCUMENT_BYTES)
      throw mismatch(subject, `has ${descriptor.size} bytes: too many to be read whole`);
    const { bytes } = await this.#connection.request(
      { ...this.#reading(descriptor, 'GET'), accept: [200], signal },
      MAX_DOCUMENT_BYTES,
    );
    verifyBytes(subject, bytes, descriptor);
    return bytes;
  }

  async *read(descriptor: Descriptor, { signal }: ContentOptions): AsyncIterable<Uint8Array> {
    const call = { ...this.#reading(descriptor, 'GET'), accept: [200], signal };
    const { body, discard } = await this.#connection.open(call);
    try {
      yield* verified(this.#nameOf(descriptor), descriptor, body);
    } catch (thrown) {
      signal?.throwIfAborted();
      throw failedExchange(call.step, this.#connection.base.host, thrown);
    } finally {
      discard();
    }
  }

  async put(descriptor: Descriptor, open: () => AsyncIterable<Uint8Array>, { signal }: ContentOptions): Promise<void> {
    const started = await this.#start(descriptor, '', [this.#scope(true)], [202], signal);
    await this.#finish(descriptor, open, started, signal);
  }

  /**
   * Mounts a blob from another repository of the registry, without asking first whether it is there. An answer of 202 has
   * opened an upload, and the bytes go there; a refusal for want of rights is tried with the rights of this repository
   * alone; other refusals of the mount lead to an upload too.
   */
  async mount(
    descriptor: Descriptor,
    from: string,
    open: () => AsyncIterable<Uint8Array>,
    { signal }: ContentOptions,
  ): Promise<'mounted' | 'uploaded'> {
    const query = `?mount=${descriptor.digest}&from=${encodeURIComponent(from)}`;
    const both = [this.#scope(true), { repository: from, push: false }];
    const answer = await this.#start(descriptor, query, both, MOUNT_ANSWERS, signal);
    if (answer.status === 201) {
      verifyMounted(this.#nameOf(descriptor), answer, descriptor);
      return 'mounted';
    }
    const upload =
      answer.status === 202 ? answer : await this.#start(descriptor, '', [this.#scope(true)], [202], signal);
    await this.#finish(descriptor, open, upload, signal);
    return 'uploaded';
  }

  #start(
    descriptor: Descriptor,
    query: string,
    scopes: readonly Scope[],
    accept: readonly number[],
    signal?: AbortSignal,
  ): Promise<Reply> {
    return this.#connection.request(
      {
        step: { what: query === '' ? 'upload' : 'mount', reference: this.#nameOf(descriptor) },
        method: 'POST',
        target: `/v2/${this.#path}/blobs/uploads/${query}`,
        scopes,
        accept,
        repeatable: true,
        signal,
      },
      MAX_DOCUMENT_BYTES,
    );
  }

  /** Sends the bytes to the upload that a POST has opened. */
  async #finish(
    descriptor: Descriptor,
    open: () => AsyncIterable<Uint8Array>,
    { headers, url }: Reply,
    signal?: AbortSignal,
  ): Promise<void> {
    const subject = this.#nameOf(descriptor);
    const { headers: answer } = await this.#connection.request(
      {
        step: { what: 'upload', reference: subject },
        method: 'PUT',
        target: this.#uploadAddress(headers['location'], url, descriptor),
        scopes: [this.#scope(true)],
        headers: { 'content-type': 'application/octet-stream', 'content-length': String(descriptor.size) },
        body: open,
        accept: [200, 201, 204],
        repeatable: false,
        signal,
      },
      MAX_DOCUMENT_BYTES,
    );
    if (answer['docker-content-digest'] !== undefined && answer['docker-content-digest'] !== descriptor.digest) {
      throw mismatch(subject, `was stored as ${JSON.stringify(answer['docker-content-digest'].slice(0, 100))}`);
    }
  }

  /** The location keeps its own query to the letter: it may be signed. */
  #uploadAddress(location: string | undefined, answered: URL, descriptor: Descriptor): URL {
    if (location === undefined || !URL.canParse(location, answered.href)) {
      throw new MlistError('ERR_MLIST_REGISTRY', `${answered.host} opened an upload without saying where`, {
        reference: this.#nameOf(descriptor),
      });
    }
    const address = new URL(location, answered);
    checkAddress('upload location', address, this.#connection.base);
    const separator = address.search === '' ? '?' : '&';
    return new URL(`${address.href}${separator}digest=${encodeURIComponent(descriptor.digest)}`);
  }

  #reading(descriptor: Descriptor, method: 'GET' | 'HEAD') {
    return {
      step: { what: 'read', reference: this.#nameOf(descriptor) },
      method,
      target: `/v2/${this.#path}/blobs/${descriptor.digest}`,
      scopes: [this.#scope(false)],
    } as const;
  }

  #nameOf({ digest }: Descriptor): string {
    return `${this.#location}@${digest}`;
  }

  #scope(push: boolean): Scope {
    return { repository: this.#path, push };
  }
}

/** All answers that leave the way of an upload open; 408, 429 and 5xx are tried again instead. */
const MOUNT_ANSWERS = [201, 202, 400, 401, 403, 404, 405, 409, 415, 416, 422];

function verifyMounted(subject: string, { headers }: Reply, { digest }: Descriptor): void {
  const stated = headers['docker-content-digest'];
  if (stated !== undefined && stated !== digest)
    throw mismatch(subject, `was mounted as ${JSON.stringify(stated.slice(0, 100))}`);
}
