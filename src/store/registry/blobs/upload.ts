import { MlistError, type ErrorFacts } from '../../../errors/errors.ts';
import type { Descriptor } from '../../../oci/descriptor.ts';
import { digestAlgorithm } from '../../../oci/digest.ts';
import type { RegistryRequest, RegistryResponse, SendRequest } from '../request.ts';
import { queryBlob } from './blob-query.ts';
import type { Connection } from '../connection.ts';
import { blobShownInstead, confirmChange } from '../confirm-change.ts';
import { withReference } from '../request-failure.ts';
import type { Step } from '../../../async/pending.ts';
import { checkAddress } from '../http/address.ts';
import { exceedsMaxWait, backoff, isRetryableStatus } from '../http/retry.ts';
import type { Scope } from '../auth/scope.ts';
import { UploadChunk } from './upload-chunk.ts';
import { UploadSource } from './upload-source.ts';
import { verifyStatedDigest } from './verify-response.ts';

/** The repository that a blob is uploaded to. */
export interface UploadTarget {
  readonly connection: Connection;
  /** Sends requests in the request slot that the upload holds from its beginning to its end. */
  readonly send: SendRequest;
  /** The API path of the blobs in the repository: `/v2/NAME/blobs/`. */
  readonly path: string;
  readonly scope: Scope;
  /** The reference of the blob, for errors. */
  readonly subject: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The timeout of the last request is extended by one second per this number of bytes, because a registry may read the
 * whole blob again before it responds.
 */
const VERIFIED_BYTES_PER_SECOND = 8 * 1024 * 1024;

/**
 * The timeout for cancelling an upload. It is short, because a command that fails or is interrupted waits for the
 * cancellation.
 */
export const CANCEL_MS = 1_000;

/** Size limit for responses. They are usually short, but some registries send an HTML page. */
const MAX_RESPONSE_BYTES = 1024 * 1024;

/**
 * Returns the number of bytes that the registry has received, from a `Range` header such as `0-99`; undefined if the
 * header is missing or invalid. `0-0` is treated as 0, although it could also mean one byte.
 */
function receivedBytes(range: string | undefined): number | undefined {
  const end = /(?:^|[=\s])0-(\d{1,15})$/.exec(range ?? '')?.[1];
  if (end === undefined) return undefined;
  return end === '0' ? 0 : Number(end) + 1;
}

/**
 * Uploads a blob (distribution-spec v1.1.1 "Pushing blobs"): in one request, or in chunks if the registry has sent a
 * minimum length for chunks, or if a request with the whole blob has failed. After a failure, the upload continues at
 * the offset that the registry reports, or starts again. The retries are counted from the last attempt that made
 * progress. An upload that fails is cancelled.
 */
export class BlobUpload {
  readonly #target: UploadTarget;
  readonly #descriptor: Descriptor;
  readonly #source: UploadSource;
  readonly #chunk: UploadChunk;
  /** The URL for the next request, which each response may change; undefined if no upload is open. */
  #location: URL | undefined;
  #offset = 0;
  #hasResumed = false;
  #wasInvalid = false;

  constructor(target: UploadTarget, descriptor: Descriptor, open: () => AsyncIterable<Uint8Array>) {
    this.#target = target;
    this.#descriptor = descriptor;
    this.#source = new UploadSource(target.subject, open);
    this.#chunk = new UploadChunk(descriptor.size);
  }

  /**
   * Runs the upload to its end.
   * @param started - the response that has already opened the upload, such as the response to a mount; undefined if the
   * upload has to be opened
   */
  async run(started: RegistryResponse | undefined): Promise<void> {
    const progress = () => `${this.#sentBytes} of ${this.#descriptor.size} bytes sent`;
    const end = this.#target.connection.steps.begin(this.#step, { progress });
    try {
      if (started !== undefined) this.#startFrom(started);
      else if (this.#descriptor.size > 0) this.#source.begin();
      await this.#sendWithRetries();
    } catch (thrown) {
      await this.#cancel();
      throw this.#source.failure?.thrown ?? withReference(this.#step, thrown);
    } finally {
      end();
      await this.#source.close();
    }
  }

  get #sentBytes(): number {
    return Math.max(this.#offset, this.#source.position);
  }

  async #sendWithRetries(): Promise<void> {
    const { client } = this.#target.connection;
    for (let failures = 0; ;) {
      const before = this.#offset;
      try {
        await this.#send();
        return;
      } catch (thrown) {
        client.signals.throwIfAborted(this.#target.signal);
        const next = await this.#recover(thrown);
        if (next === 'done') return;
        if (next === 'smaller') continue;
        failures = this.#offset > before ? 1 : failures + 1;
        if (failures > client.retries) throw thrown;
        await client.pause(backoff(failures), this.#target.signal);
      }
    }
  }

  async #send(): Promise<void> {
    const { size } = this.#descriptor;
    if (this.#location === undefined) this.#startFrom(await this.#open());
    while (size - this.#offset > this.#chunk.size) {
      const before = this.#offset;
      await this.#patch(before + this.#chunk.size);
      if (this.#offset <= before) throw stuck(this.#target);
    }
    await this.#put();
  }

  #open(): Promise<RegistryResponse> {
    const algorithm = digestAlgorithm(this.#descriptor.digest);
    const query = algorithm === 'sha256' ? '' : `?digest-algorithm=${algorithm}`;
    return this.#request('POST', `${this.#target.path}uploads/${query}`, {
      accept: [202],
      repeatable: true,
      opensUpload: true,
    });
  }

  #startFrom(response: RegistryResponse): void {
    this.#offset = 0;
    this.#follow(response);
    this.#chunk.setMinimum(response.headers['oci-chunk-min-length']);
  }

  #follow({ headers, url }: RegistryResponse): void {
    const location = headers['location'];
    if (location === undefined || !URL.canParse(location, url.href)) {
      throw new MlistError('ERR_MLIST_REGISTRY', `the response of ${url.host} has no valid Location header`);
    }
    const address = new URL(location, url);
    address.hash = '';
    checkAddress('an upload location at', address, this.#target.connection.base);
    this.#location = address;
  }

  async #patch(end: number): Promise<void> {
    const response = await this.#request('PATCH', this.#address(), {
      ...this.#bytes(end),
      accept: [202, 201, 204],
      repeatable: false,
    });
    const received = receivedBytes(response.headers['range']) ?? end;
    if (response.headers['location'] !== undefined) this.#follow(response);
    this.#offset = received > 0 && received <= end ? received : end;
  }

  async #put(): Promise<void> {
    const { digest, size } = this.#descriptor;
    const { status, headers } = await this.#request('PUT', withDigest(this.#address(), digest), {
      ...this.#bytes(size),
      accept: [200, 201, 202, 204],
      repeatable: false,
      extraTimeoutMs: (size / VERIFIED_BYTES_PER_SECOND) * 1000,
    });
    verifyStatedDigest(this.#target.subject, headers['docker-content-digest'], this.#descriptor);
    if (status !== 201) {
      const { connection, signal } = this.#target;
      const read = () => this.#shownInstead();
      await confirmChange({ step: this.#step, connection, status, expected: 201, read, signal });
    }
    this.#location = undefined;
  }

  #bytes(end: number): Pick<RegistryRequest, 'headers' | 'body'> {
    const start = this.#offset;
    const range = start === 0 && end === this.#descriptor.size ? {} : { 'content-range': `${start}-${end - 1}` };
    return {
      headers: {
        'content-type': 'application/octet-stream',
        'content-length': String(end - start),
        ...(end > start ? range : {}),
      },
      ...(end > start ? { body: () => this.#source.slice(start, end) } : {}),
    };
  }

  #address(): URL {
    if (this.#location === undefined) throw new TypeError('the upload has not begun');
    return this.#location;
  }

  /**
   * Decides how to continue after a failure: `done` if the registry has the blob, `again` for a retry, or `smaller` for
   * another attempt with smaller chunks, which is not counted as a retry.
   * @throws the failure if the upload cannot continue
   */
  async #recover(thrown: unknown): Promise<'done' | 'again' | 'smaller'> {
    const canRead = this.#source.failure === undefined;
    if (!(thrown instanceof MlistError) || !canRead || !this.#isRecoverable(thrown)) throw thrown;
    const isTooLarge = thrown.facts.status === 413;
    const wasRefused = thrown.facts.status !== undefined && thrown.facts.status < 500;
    if (!wasRefused || thrown.facts.status === 416) {
      if (await this.#resume()) return 'again';
      if (await this.#isThere()) return 'done';
    }
    // After a 404, the upload no longer exists, so there is nothing to cancel.
    if (thrown.facts.status === 404) this.#location = undefined;
    await this.#cancel();
    this.#offset = 0;
    return isTooLarge ? 'smaller' : 'again';
  }

  #isRecoverable({ code, facts }: MlistError): boolean {
    const { status } = facts;
    // If there is no location, the request that opens the upload has failed. It has already been retried.
    if (this.#location === undefined || exceedsMaxWait(facts)) return false;
    if (code === 'ERR_MLIST_NETWORK' || code === 'ERR_MLIST_TIMEOUT') {
      this.#chunk.halveAfterBreak();
      return true;
    }
    if (status === undefined) return false;
    if (status === 413) return this.#chunk.halve();
    if (status === 405) return this.#chunk.disable();
    if (status === 400) return this.#isTransient(facts);
    // The registry may have lost the upload or some of its bytes, or expect another offset. The upload is resumed or
    // started again.
    return status === 202 || status === 404 || status === 416 || isRetryableStatus(status);
  }

  /**
   * Whether a 400 may be temporary. Returns true after a resumption, because the registry may have refused to resume,
   * and for the first `BLOB_UPLOAD_INVALID`, because the registry may have lost the state of the upload for a moment.
   */
  #isTransient({ diagnostics = [] }: ErrorFacts): boolean {
    const isInvalid = !this.#wasInvalid && diagnostics.some(({ code }) => code === 'BLOB_UPLOAD_INVALID');
    const isTransient = this.#hasResumed || isInvalid;
    this.#wasInvalid ||= isInvalid;
    this.#hasResumed = false;
    return isTransient;
  }

  /**
   * Requests the number of bytes that the registry has received (distribution-spec v1.1.1 "Get upload status").
   * @returns whether the upload can continue after them
   */
  async #resume(): Promise<boolean> {
    if (this.#location === undefined) return false;
    const response = await this.#request('GET', this.#location, { accept: [200, 202, 204], retries: 1 }).catch(
      () => undefined,
    );
    const received = receivedBytes(response?.headers['range']);
    if (response === undefined || received === undefined || received > this.#descriptor.size) return false;
    if (response.headers['location'] !== undefined) this.#follow(response);
    this.#hasResumed ||= received > 0;
    this.#offset = received;
    return true;
  }

  /** Whether the registry has the blob, which means that only the response was lost. */
  async #isThere(): Promise<boolean> {
    return (await this.#shownInstead().catch(() => 'unknown')) === undefined;
  }

  /**
   * Requests the blob. Returns undefined if the registry has it. Otherwise returns the end of the error message, such
   * as `does not have it`.
   */
  async #shownInstead(): Promise<string | undefined> {
    const { connection, send, path, scope, subject, signal } = this.#target;
    const descriptor = this.#descriptor;
    const request = { step: this.#step, target: `${path}${descriptor.digest}`, scopes: [scope], signal };
    return blobShownInstead(await queryBlob({ connection, send, request, descriptor }), descriptor, subject);
  }

  /**
   * Cancels the upload if it is open. Ignores failures, because a registry may not support this request, which was
   * added to the distribution-spec after v1.1.1 (commit 967efdc).
   */
  async #cancel(): Promise<void> {
    const location = this.#location;
    if (location === undefined) return;
    this.#location = undefined;
    const signal = this.#target.connection.client.signals.timeout(CANCEL_MS);
    await this.#request('DELETE', location, { accept: [200, 202, 204], retries: 0, signal }).catch(() => undefined);
  }

  get #step(): Step {
    return { what: 'upload', reference: this.#target.subject };
  }

  #request(
    method: RegistryRequest['method'],
    target: RegistryRequest['target'],
    options: Omit<RegistryRequest, 'step' | 'method' | 'target' | 'scopes'>,
  ): Promise<RegistryResponse> {
    const { send, scope, signal } = this.#target;
    return send(
      { step: this.#step, method, target, scopes: [scope], isForBlob: true, signal, ...options },
      MAX_RESPONSE_BYTES,
    );
  }
}

/** Appends the digest to an upload location. The query of the location stays unchanged, because it may be signed. */
function withDigest({ href }: URL, digest: string): URL {
  const separator = /[?&]$/.test(href) ? '' : href.includes('?') ? '&' : '?';
  return new URL(`${href}${separator}digest=${encodeURIComponent(digest)}`);
}

/** Creates the error for a chunk that the registry has accepted without increasing the offset. */
function stuck({ connection, subject }: UploadTarget): MlistError {
  const message = `cannot upload ${subject}: ${connection.base.host} accepted a chunk, but did not increase the offset (HTTP 202)`;
  return new MlistError('ERR_MLIST_REGISTRY', message, { reference: subject, status: 202 });
}
