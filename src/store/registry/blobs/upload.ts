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

/** Where a blob is uploaded to. */
export interface UploadTarget {
  readonly connection: Connection;
  /** Sends requests from the place that the upload holds, from its beginning to its end. */
  readonly request: SendRequest;
  /** `/v2/NAME/blobs/` */
  readonly path: string;
  readonly scope: Scope;
  /** For errors. */
  readonly subject: string;
  readonly signal?: AbortSignal | undefined;
}

/** A registry may read the blob again before it answers: it gets a second for every so many bytes. */
const CHECKED_BYTES_A_SECOND = 8 * 1024 * 1024;

/** How long the registry has to cancel an upload, so that neither an interrupt nor an error is held up. */
export const CANCEL_MS = 1_000;

/** What a registry answers with: short, or a page for people. */
const MAX_ANSWER = 1024 * 1024;

/** How many bytes the registry has, where its answer says so; `0-0` is said of one byte and of none. */
export function receivedBytes(range: string | undefined): number | undefined {
  const end = /(?:^|[=\s])0-(\d{1,15})$/.exec(range ?? '')?.[1];
  if (end === undefined) return undefined;
  return end === '0' ? 0 : Number(end) + 1;
}

/**
 * Uploads a blob (distribution-spec v1.1.1 "Pushing blobs"): in one request, or in chunks where the registry states a
 * least length for them, or has not taken the whole. What broke goes on where the registry says it has got to, else from
 * the beginning; each try that brings nothing counts against the tries that the session allows. An upload that is given up
 * for whatever reason is cancelled at the registry.
 */
export class BlobUpload {
  readonly #target: UploadTarget;
  readonly #descriptor: Descriptor;
  readonly #source: UploadSource;
  readonly #chunk: UploadChunk;
  /** Where the next bytes go; the registry may give another address with each answer. */
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

  /** @param started - an answer that has opened the upload already, as to a mount */
  async run(started: RegistryResponse | undefined): Promise<void> {
    const progress = () => `${this.#moved} of ${this.#descriptor.size} bytes sent`;
    const end = this.#target.connection.steps.begin(this.#step, { progress });
    try {
      if (started !== undefined) this.#begin(started);
      else if (this.#descriptor.size > 0) this.#source.begin();
      await this.#persist();
    } catch (thrown) {
      await this.#cancel();
      throw this.#source.failure?.thrown ?? withReference(this.#step, thrown);
    } finally {
      end();
      await this.#source.close();
    }
  }

  get #moved(): number {
    return Math.max(this.#offset, this.#source.position);
  }

  async #persist(): Promise<void> {
    const { client } = this.#target.connection;
    for (let failures = 0; ;) {
      const before = this.#offset;
      try {
        await this.#send();
        return;
      } catch (thrown) {
        client.signalFor(this.#target.signal)?.throwIfAborted();
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
    if (this.#location === undefined) this.#begin(await this.#start());
    while (size - this.#offset > this.#chunk.size) {
      const before = this.#offset;
      await this.#patch(before + this.#chunk.size);
      if (this.#offset <= before) throw stuck(this.#target);
    }
    await this.#put();
  }

  #start(): Promise<RegistryResponse> {
    const algorithm = digestAlgorithm(this.#descriptor.digest);
    const query = algorithm === 'sha256' ? '' : `?digest-algorithm=${algorithm}`;
    return this.#request('POST', `${this.#target.path}uploads/${query}`, {
      accept: [202],
      repeatable: true,
      opensUpload: true,
    });
  }

  #begin(reply: RegistryResponse): void {
    this.#offset = 0;
    this.#follow(reply);
    this.#chunk.setLeast(reply.headers['oci-chunk-min-length']);
  }

  #follow({ headers, url }: RegistryResponse): void {
    const location = headers['location'];
    if (location === undefined || !URL.canParse(location, url.href)) {
      throw new MlistError('ERR_MLIST_REGISTRY', `${url.host} opened an upload without a location`);
    }
    const address = new URL(location, url);
    address.hash = '';
    checkAddress('an upload location', address, this.#target.connection.base);
    this.#location = address;
  }

  async #patch(end: number): Promise<void> {
    const reply = await this.#request('PATCH', this.#address(), {
      ...this.#bytes(end),
      accept: [202, 201, 204],
      repeatable: false,
    });
    const received = receivedBytes(reply.headers['range']) ?? end;
    if (reply.headers['location'] !== undefined) this.#follow(reply);
    this.#offset = received > 0 && received <= end ? received : end;
  }

  async #put(): Promise<void> {
    const { digest, size } = this.#descriptor;
    const { status, headers } = await this.#request('PUT', withDigest(this.#address(), digest), {
      ...this.#bytes(size),
      accept: [200, 201, 202, 204],
      repeatable: false,
      extraTimeoutMs: (size / CHECKED_BYTES_A_SECOND) * 1000,
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
   * Decides how to continue after a failure; `smaller` does not count as a retry.
   * @throws the failure, if the upload cannot continue
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
    // A registry that answers 404 does not know the upload.
    if (thrown.facts.status === 404) this.#location = undefined;
    await this.#cancel();
    this.#offset = 0;
    return isTooLarge ? 'smaller' : 'again';
  }

  #isRecoverable({ code, facts }: MlistError): boolean {
    const { status } = facts;
    // The request that opens an upload has been tried often enough.
    if (this.#location === undefined || exceedsMaxWait(facts)) return false;
    if (code === 'ERR_MLIST_NETWORK' || code === 'ERR_MLIST_TIMEOUT') {
      this.#chunk.halveAfterBreak();
      return true;
    }
    if (status === undefined) return false;
    if (status === 413) return this.#chunk.halve();
    if (status === 405) return this.#chunk.disable();
    if (status === 400) return this.#isTransient(facts);
    // The upload is unknown, or its bytes do not fit or did not arrive: it starts again.
    return status === 202 || status === 404 || status === 416 || isRetryableStatus(status);
  }

  /** A registry may refuse an upload that was resumed, or lose its state for a moment. A second 400 is final. */
  #isTransient({ diagnostics = [] }: ErrorFacts): boolean {
    const isInvalid = !this.#wasInvalid && diagnostics.some(({ code }) => code === 'BLOB_UPLOAD_INVALID');
    const isTransient = this.#hasResumed || isInvalid;
    this.#wasInvalid ||= isInvalid;
    this.#hasResumed = false;
    return isTransient;
  }

  /** Whether the registry says how far it has got (distribution-spec v1.1.1 "Get upload status"). */
  async #resume(): Promise<boolean> {
    if (this.#location === undefined) return false;
    const reply = await this.#request('GET', this.#location, { accept: [200, 202, 204], retries: 1 }).catch(
      () => undefined,
    );
    const received = receivedBytes(reply?.headers['range']);
    if (reply === undefined || received === undefined || received > this.#descriptor.size) return false;
    if (reply.headers['location'] !== undefined) this.#follow(reply);
    this.#hasResumed ||= received > 0;
    this.#offset = received;
    return true;
  }

  /** The answer may have been lost after all was done. */
  async #isThere(): Promise<boolean> {
    return (await this.#shownInstead().catch(() => 'unknown')) === undefined;
  }

  /** What the registry shows instead of the blob; undefined if it has the blob. */
  async #shownInstead(): Promise<string | undefined> {
    const { connection, request, path, scope, subject, signal } = this.#target;
    const descriptor = this.#descriptor;
    const call = { step: this.#step, target: `${path}${descriptor.digest}`, scopes: [scope], signal };
    return blobShownInstead(await queryBlob({ connection, request, call, descriptor }), descriptor, subject);
  }

  /** Closes the upload at the registry, if it is open (distribution-spec at 967efdc). Nothing depends on the answer. */
  async #cancel(): Promise<void> {
    const location = this.#location;
    if (location === undefined) return;
    this.#location = undefined;
    const signal = this.#target.connection.client.lastSignal(CANCEL_MS);
    await this.#request('DELETE', location, { accept: [200, 202, 204], retries: 0, signal }).catch(() => undefined);
  }

  get #step(): Step {
    return { what: 'upload', reference: this.#target.subject };
  }

  #request(
    method: RegistryRequest['method'],
    target: RegistryRequest['target'],
    call: Omit<RegistryRequest, 'step' | 'method' | 'target' | 'scopes'>,
  ): Promise<RegistryResponse> {
    const { request, scope, signal } = this.#target;
    return request({ step: this.#step, method, target, scopes: [scope], isUpload: true, signal, ...call }, MAX_ANSWER);
  }
}

/** Appends the digest to an upload location, whose own query stays unchanged, since it may be signed. */
function withDigest({ href }: URL, digest: string): URL {
  const separator = /[?&]$/.test(href) ? '' : href.includes('?') ? '&' : '?';
  return new URL(`${href}${separator}digest=${encodeURIComponent(digest)}`);
}

/** Each response states that the registry has received no more than before. */
function stuck({ connection, subject }: UploadTarget): MlistError {
  const message = `cannot upload ${subject}: ${connection.base.host} accepts chunks, but makes no progress (HTTP 202)`;
  return new MlistError('ERR_MLIST_REGISTRY', message, { reference: subject, status: 202 });
}
