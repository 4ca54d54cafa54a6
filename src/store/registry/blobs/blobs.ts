import { SingleFlight } from '../../../async/single-flight.ts';
import { asMlistError } from '../../../errors/errors.ts';
import type { ContentOptions } from '../../store.ts';
import type { Descriptor } from '../../../oci/descriptor.ts';
import { digestMatches, isVerifiable } from '../../../oci/digest.ts';
import { MAX_DOCUMENT_BYTES } from '../../../json/parse.ts';
import type { BlobTransfer, SentBlobs } from './mount.ts';
import { queryBlob } from './blob-query.ts';
import { readBlob } from './download.ts';
import { BlobUpload, type UploadTarget } from './upload.ts';
import { blobShownInstead, statedSize } from '../confirm-change.ts';
import type { RegistryRequest, RegistryResponse, SendRequest } from '../request.ts';
import type { Connection } from '../connection.ts';
import { decodedDocument } from '../http/content-encoding.ts';
import { exceedsMaxWait, REFUSALS } from '../http/retry.ts';
import { pullFrom, pushTo, type Scope } from '../auth/scope.ts';
import { mismatch, verifyBytes, verifyStatedDigest } from './verify-response.ts';

type Open = () => AsyncIterable<Uint8Array>;

export interface BlobsParts {
  readonly connection: Connection;
  readonly sentBlobs: SentBlobs;
  /** `domain/path`, for errors. */
  readonly location: string;
  readonly path: string;
}

/** The blobs of one repository: reading, uploading, mounting (distribution-spec v1.1.1 "Pulling blobs", "Pushing blobs"). */
export class Blobs {
  readonly #parts: BlobsParts;
  readonly #reading = new SingleFlight<Uint8Array>();

  constructor(parts: BlobsParts) {
    this.#parts = parts;
  }

  /** A blob of another size is not there: something may answer 200 in place of the registry. */
  async has(descriptor: Descriptor, options: ContentOptions): Promise<boolean> {
    const size = await this.size(descriptor, options);
    return size === 'unknown' || size === descriptor.size;
  }

  /** The size that the registry states for a blob; undefined if it does not have the blob. */
  async size(descriptor: Descriptor, { signal }: ContentOptions): Promise<number | 'unknown' | undefined> {
    const { connection } = this.#parts;
    const call = { ...this.#call(descriptor), signal };
    const { status, headers } = await queryBlob({ connection, call, descriptor });
    if (status === 404) return undefined;
    verifyStatedDigest(call.step.reference, headers['docker-content-digest'], descriptor);
    return statedSize(headers) ?? 'unknown';
  }

  /** A small blob, whole. */
  async fetch(descriptor: Descriptor, { signal }: ContentOptions): Promise<Uint8Array> {
    const subject = this.#nameOf(descriptor);
    if (descriptor.size > MAX_DOCUMENT_BYTES)
      throw mismatch(subject, `has ${descriptor.size} bytes: too many to be read whole`);
    const read = async (): Promise<Uint8Array> => {
      const call = { ...this.#call(descriptor), method: 'GET', accept: [200], signal } as const;
      const reply = await this.#parts.connection.request(call, MAX_DOCUMENT_BYTES);
      const { headers } = reply;
      // A blob that is itself compressed may be sent unchanged with `Content-Encoding: gzip`.
      const isUnchanged = isVerifiable(descriptor.digest) && digestMatches(descriptor.digest, reply.bytes);
      const bytes = isUnchanged ? reply.bytes : await decodedDocument(reply, subject);
      verifyBytes(subject, bytes, descriptor);
      verifyStatedDigest(subject, headers['docker-content-digest'], descriptor);
      return bytes;
    };
    return this.#reading.run(`${descriptor.digest} ${descriptor.size}`, read, signal);
  }

  read(descriptor: Descriptor, { signal }: ContentOptions): AsyncIterable<Uint8Array> {
    const { connection } = this.#parts;
    return readBlob({ connection, descriptor, call: { ...this.#call(descriptor), method: 'GET', signal } });
  }

  /** Uploads a blob, or mounts it if this command has sent it to another repository of the registry. */
  async put(descriptor: Descriptor, open: Open, options: ContentOptions): Promise<void> {
    const { path, sentBlobs } = this.#parts;
    await this.#place(descriptor, async () => {
      const from = await sentBlobs.otherRepository(path, descriptor.digest);
      return from === undefined
        ? this.#upload(descriptor, open, undefined, options)
        : this.#mountOrUpload(descriptor, from, open, options);
    });
  }

  /**
   * Mounts a blob from another repository of the registry, without asking first whether it is there. An answer of 202 has
   * opened an upload, and the bytes go there; a refusal for want of rights is tried with the rights of this repository
   * alone; other refusals of the mount lead to an upload too.
   */
  async mount(descriptor: Descriptor, from: string, open: Open, options: ContentOptions): Promise<BlobTransfer> {
    return this.#place(descriptor, () => this.#mountOrUpload(descriptor, from, open, options));
  }

  #place({ digest }: Descriptor, work: () => Promise<BlobTransfer>): Promise<BlobTransfer> {
    const { connection, path, sentBlobs } = this.#parts;
    return connection.uploads.track(sentBlobs.put(path, digest, work));
  }

  async #mountOrUpload(
    descriptor: Descriptor,
    from: string,
    open: Open,
    options: ContentOptions,
  ): Promise<BlobTransfer> {
    const reply = await this.#tryMount(descriptor, from, options);
    if (reply !== undefined && (await this.#isMounted(descriptor, reply, options))) return 'mounted';
    const hasBegun = reply?.status === 202 && reply.headers['location'] !== undefined;
    return this.#upload(descriptor, open, hasBegun ? reply : undefined, options);
  }

  /** Some registries answer 200 to a mount: a read shows whether they have the blob. */
  async #isMounted(descriptor: Descriptor, answer: RegistryResponse, { signal }: ContentOptions): Promise<boolean> {
    const { status, headers } = answer;
    if (![200, 201, 204].includes(status)) return false;
    const subject = this.#nameOf(descriptor);
    verifyStatedDigest(subject, headers['docker-content-digest'], descriptor);
    if (status === 201) return true;
    const { connection } = this.#parts;
    const call = { ...this.#call(descriptor), scopes: [this.#scope('push')], signal };
    const reply = await queryBlob({ connection, call, descriptor }).catch(() => undefined);
    connection.client.signalFor(signal)?.throwIfAborted();
    return reply !== undefined && blobShownInstead(reply, descriptor, subject) === undefined;
  }

  /** Undefined where no token is given for both repositories, or the registry cannot do it just now. */
  async #tryMount(
    descriptor: Descriptor,
    from: string,
    { signal }: ContentOptions,
  ): Promise<RegistryResponse | undefined> {
    const { connection, path } = this.#parts;
    const call = {
      step: { what: 'mount', reference: this.#nameOf(descriptor) },
      method: 'POST' as const,
      target: `/v2/${path}/blobs/uploads/?mount=${descriptor.digest}&from=${encodeURIComponent(from)}`,
      scopes: [this.#scope('push'), pullFrom(from)],
      accept: MOUNT_ANSWERS,
      repeatable: true,
      isUpload: true,
      opens: true,
      signal,
    };
    try {
      return await connection.request(call, MAX_DOCUMENT_BYTES);
    } catch (thrown) {
      connection.client.signalFor(signal)?.throwIfAborted();
      const { code, facts } = asMlistError(thrown);
      const isAnswer = (facts.status ?? 0) >= 400 && facts.status !== 429 && !exceedsMaxWait(facts);
      if (code !== 'ERR_MLIST_UNAUTHORIZED' && !isAnswer) throw thrown;
      return undefined;
    }
  }

  /** In one place from the first request to the last, so that uploads never wait for each other half way. */
  async #upload(
    descriptor: Descriptor,
    open: Open,
    started: RegistryResponse | undefined,
    { signal }: ContentOptions,
  ): Promise<'uploaded'> {
    const { connection, path } = this.#parts;
    const targetOf = (request: SendRequest): UploadTarget => ({
      connection,
      request,
      path: `/v2/${path}/blobs/`,
      scope: this.#scope('push'),
      subject: this.#nameOf(descriptor),
      signal,
    });
    await connection.withSlot((request) => new BlobUpload(targetOf(request), descriptor, open).run(started));
    return 'uploaded';
  }

  #call(descriptor: Descriptor): Pick<RegistryRequest, 'step' | 'target' | 'scopes'> {
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

/** All answers after which the blob can be uploaded; retryable ones are retried first. */
const MOUNT_ANSWERS = [200, 201, 202, 204, ...REFUSALS];
