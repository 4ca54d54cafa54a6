import { SingleFlight } from '../../../async/single-flight.ts';
import { asMlistError } from '../../../errors/errors.ts';
import type { ContentOptions } from '../../store.ts';
import type { Descriptor } from '../../../oci/descriptor.ts';
import { digestMatches, isVerifiable } from '../../../oci/digest.ts';
import { MAX_DOCUMENT_BYTES } from '../../../json/parse.ts';
import type { BlobTransfer, SentBlobs } from './mount.ts';
import { queryBlob } from './blob-query.ts';
import { readBlob, readBytes, type BlobReading } from './download.ts';
import { BlobUpload, type UploadTarget } from './upload.ts';
import { blobShownInstead, statedSize } from '../confirm-change.ts';
import type { RegistryRequest, RegistryResponse, SendRequest } from '../request.ts';
import type { ConnectedRepository } from '../connection.ts';
import { decodedDocument } from '../http/content-encoding.ts';
import { exceedsMaxWait, REFUSALS } from '../http/retry.ts';
import { pullFrom, pushTo, type Scope } from '../auth/scope.ts';
import { mismatch, verifyBytes, verifyStatedDigest } from './verify-response.ts';

type Open = () => AsyncIterable<Uint8Array>;

export interface BlobsParts extends ConnectedRepository {
  readonly sentBlobs: SentBlobs;
}

/**
 * Reads, uploads and mounts the blobs of one repository (distribution-spec v1.1.1 "Pulling blobs", "Pushing blobs").
 */
export class Blobs {
  readonly #parts: BlobsParts;
  readonly #reading = new SingleFlight<Uint8Array>();

  constructor(parts: BlobsParts) {
    this.#parts = parts;
  }

  /**
   * Whether the registry has the blob. Returns false if the response has another size, because a proxy in front of the
   * registry may have sent it.
   */
  async has(descriptor: Descriptor, options: ContentOptions): Promise<boolean> {
    const size = await this.size(descriptor, options);
    return size === 'unknown' || size === descriptor.size;
  }

  /**
   * Requests the size of a blob. Returns `unknown` if the registry does not report it, and undefined if the registry
   * does not have the blob.
   */
  async size(descriptor: Descriptor, { signal }: ContentOptions): Promise<number | 'unknown' | undefined> {
    const { connection } = this.#parts;
    const request = { ...this.#readRequest(descriptor), signal };
    const { status, headers } = await queryBlob({ connection, request, descriptor });
    if (status === 404) return undefined;
    verifyStatedDigest(request.step.reference, headers['docker-content-digest'], descriptor);
    return statedSize(headers) ?? 'unknown';
  }

  /**
   * Reads a blob into memory and verifies it.
   * @throws MlistError `ERR_MLIST_CONTENT_MISMATCH` if it does not match the descriptor, or if the descriptor has a
   * size of more than `MAX_DOCUMENT_BYTES`
   */
  async fetch(descriptor: Descriptor, { signal }: ContentOptions): Promise<Uint8Array> {
    const subject = this.#nameOf(descriptor);
    if (descriptor.size > MAX_DOCUMENT_BYTES) {
      const fault = `cannot be read into memory: its ${descriptor.size} bytes exceed the limit of ${MAX_DOCUMENT_BYTES}`;
      throw mismatch(subject, fault, 'The limit applies to configs and other documents.');
    }
    const read = async (): Promise<Uint8Array> => {
      const request = { ...this.#readRequest(descriptor), method: 'GET', accept: [200], signal } as const;
      const response = await this.#parts.connection.request(request, MAX_DOCUMENT_BYTES);
      const { headers } = response;
      // Some registries send `Content-Encoding: gzip` with a blob that is itself a gzip file. Therefore bytes that
      // already match the digest are not decoded.
      const isUnchanged = isVerifiable(descriptor.digest) && digestMatches(descriptor.digest, response.bytes);
      const bytes = isUnchanged ? response.bytes : await decodedDocument(response, subject);
      verifyBytes(subject, bytes, descriptor);
      verifyStatedDigest(subject, headers['docker-content-digest'], descriptor);
      return bytes;
    };
    return this.#reading.run(`${descriptor.digest} ${descriptor.size}`, read, signal);
  }

  read(descriptor: Descriptor, options: ContentOptions): AsyncIterable<Uint8Array> {
    return readBlob(this.#download(descriptor, options));
  }

  /** Reads a blob from the offset `start` without verifying it. The caller must verify the whole blob. */
  readUnverified(descriptor: Descriptor, start: number, options: ContentOptions): AsyncIterable<Uint8Array> {
    return readBytes(this.#download(descriptor, options), start);
  }

  #download(descriptor: Descriptor, { signal }: ContentOptions): BlobReading {
    const { connection } = this.#parts;
    const request = { ...this.#readRequest(descriptor), method: 'GET', signal } as const;
    return { connection, descriptor, request };
  }

  /** Uploads a blob, or mounts it if this command has sent it to another repository of the registry before. */
  async put(descriptor: Descriptor, open: Open, options: ContentOptions): Promise<void> {
    const { path, sentBlobs } = this.#parts;
    await this.#sendOnce(descriptor, async () => {
      const from = await sentBlobs.otherRepository(path, descriptor.digest);
      return from === undefined
        ? this.#upload(descriptor, open, undefined, options)
        : this.#mountOrUpload(descriptor, from, open, options);
    });
  }

  /**
   * Mounts a blob from another repository of the registry, without checking first whether that repository has it. If
   * the blob is not mounted, uploads it: with the upload that a 202 response has opened, or with a new one.
   */
  async mount(descriptor: Descriptor, from: string, open: Open, options: ContentOptions): Promise<BlobTransfer> {
    return this.#sendOnce(descriptor, () => this.#mountOrUpload(descriptor, from, open, options));
  }

  #sendOnce({ digest }: Descriptor, work: () => Promise<BlobTransfer>): Promise<BlobTransfer> {
    const { connection, path, sentBlobs } = this.#parts;
    return connection.uploads.track(sentBlobs.put(path, digest, work));
  }

  async #mountOrUpload(
    descriptor: Descriptor,
    from: string,
    open: Open,
    options: ContentOptions,
  ): Promise<BlobTransfer> {
    const response = await this.#tryMount(descriptor, from, options);
    if (response !== undefined && (await this.#isMounted(descriptor, response, options))) return 'mounted';
    const hasOpenedUpload = response?.status === 202 && response.headers['location'] !== undefined;
    return this.#upload(descriptor, open, hasOpenedUpload ? response : undefined, options);
  }

  /**
   * Whether a mount succeeded. Some registries answer 200 or 204 instead of 201. After such a response, the blob is
   * requested to confirm that the repository has it.
   */
  async #isMounted(descriptor: Descriptor, response: RegistryResponse, { signal }: ContentOptions): Promise<boolean> {
    const { status, headers } = response;
    if (![200, 201, 204].includes(status)) return false;
    const subject = this.#nameOf(descriptor);
    verifyStatedDigest(subject, headers['docker-content-digest'], descriptor);
    if (status === 201) return true;
    const { connection } = this.#parts;
    const request = { ...this.#readRequest(descriptor), scopes: [this.#scope('push')], signal };
    const query = await queryBlob({ connection, request, descriptor }).catch(() => undefined);
    connection.client.signals.throwIfAborted(signal);
    return query !== undefined && blobShownInstead(query, descriptor, subject) === undefined;
  }

  /**
   * Requests a mount, and returns the response, which may be a refusal. Returns undefined if no token for both
   * repositories is issued, or if the request still fails with 408, 425, 499 or 5xx after all retries.
   */
  async #tryMount(
    descriptor: Descriptor,
    from: string,
    { signal }: ContentOptions,
  ): Promise<RegistryResponse | undefined> {
    const { connection, path } = this.#parts;
    const request: RegistryRequest = {
      step: { what: 'mount', reference: this.#nameOf(descriptor) },
      method: 'POST',
      target: `/v2/${path}/blobs/uploads/?mount=${descriptor.digest}&from=${encodeURIComponent(from)}`,
      scopes: [this.#scope('push'), pullFrom(from)],
      accept: MOUNT_STATUSES,
      repeatable: true,
      isForBlob: true,
      opensUpload: true,
      signal,
    };
    try {
      return await connection.request(request, MAX_DOCUMENT_BYTES);
    } catch (thrown) {
      connection.client.signals.throwIfAborted(signal);
      const { code, facts } = asMlistError(thrown);
      const isRefusal = (facts.status ?? 0) >= 400 && facts.status !== 429 && !exceedsMaxWait(facts);
      if (code !== 'ERR_MLIST_UNAUTHORIZED' && !isRefusal) throw thrown;
      return undefined;
    }
  }

  /**
   * Uploads a blob. All requests of an upload use one request slot, so an upload that has begun never waits for other
   * uploads.
   */
  async #upload(
    descriptor: Descriptor,
    open: Open,
    started: RegistryResponse | undefined,
    { signal }: ContentOptions,
  ): Promise<'uploaded'> {
    const { connection, path } = this.#parts;
    const targetOf = (send: SendRequest): UploadTarget => ({
      connection,
      send,
      path: `/v2/${path}/blobs/`,
      scope: this.#scope('push'),
      subject: this.#nameOf(descriptor),
      signal,
    });
    await connection.withUploadSlot(descriptor.size, (send) =>
      new BlobUpload(targetOf(send), descriptor, open).run(started),
    );
    return 'uploaded';
  }

  #readRequest(descriptor: Descriptor): Pick<RegistryRequest, 'step' | 'target' | 'scopes'> {
    return {
      step: { what: 'read', reference: this.#nameOf(descriptor) },
      target: `/v2/${this.#parts.path}/blobs/${descriptor.digest}`,
      scopes: [this.#scope('pull')],
    };
  }

  #nameOf({ digest }: Descriptor): string {
    return `${this.#parts.location}@${digest}`;
  }

  #scope(right: 'pull' | 'push'): Scope {
    return right === 'push' ? pushTo(this.#parts.path) : pullFrom(this.#parts.path);
  }
}

/** Accepted statuses of a mount. After 202 or a refusal, the blob is uploaded. Retryable statuses are not included. */
const MOUNT_STATUSES = [200, 201, 202, 204, ...REFUSALS];
