import type { Limiter } from '../../async/limiter.ts';
import type { PendingSteps } from '../../async/pending.ts';
import { withNextStep, type MlistError, type NextStep } from '../../errors/errors.ts';
import type { SecretRedactor } from '../../errors/redact.ts';
import type { Authorization, Authorizer } from './auth/auth.ts';
import type { Scope } from './auth/scope.ts';
import type { OpenUploads } from './blobs/open-uploads.ts';
import type { UploadSlots } from './blobs/upload-slots.ts';
import { apiUrl, sameOrigin } from './http/address.ts';
import type { Address, Endpoint } from './http/endpoint.ts';
import type { HttpClient } from './http/http-client.ts';
import { followRedirects, redirectFailure, type LocatedResponse } from './http/redirect.ts';
import { drain, readBody, type HttpResponse } from './http/response.ts';
import {
  backoff,
  exceedsMaxWait,
  isConnectionError,
  isRetryableStatus,
  isUnprocessedStatus,
  isUnsent,
  parseRetryAfter,
} from './http/retry.ts';
import {
  isConditional,
  urlOf,
  type RegistryRequest,
  type RegistryResponse,
  type RegistryStream,
  type SendRequest,
} from './request.ts';
import { isAuthenticating } from './mirrors/mirror-endpoint.ts';
import { connectionFailure, describeNoResponse, describeStatus, responseFailure } from './request-failure.ts';
import type { Write, WriteGate } from './write-gate.ts';

export interface ConnectionParts {
  readonly endpoint: Endpoint;
  readonly authorizer: Authorizer;
  readonly client: HttpClient;
  /** Limits concurrent requests. An upload holds one slot until it ends. */
  readonly requests: Limiter;
  /**
   * The limit for `requests` after the first response over HTTP/2. It may be higher than for HTTP/1.1, because requests
   * over HTTP/2 share one connection.
   */
  readonly maxHttp2Requests: number;
  readonly uploadSlots: UploadSlots;
  /**
   * Limits the number of response bodies that are streamed concurrently. It is separate from `requests` to prevent a
   * deadlock: an upload holds a request slot while it waits for the body that it forwards, so reading that body must
   * not require a request slot.
   */
  readonly bodies: Limiter;
  readonly writes: WriteGate;
  readonly secrets: SecretRedactor;
  readonly steps: PendingSteps;
  readonly uploads: OpenUploads;
  /** Additional headers for requests to the registry's own origin. They may contain secrets. Default: none. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /**
   * Whether the host is a mirror. Requests to a mirror are retried only after it has responded once with a status below
   * 500, because other hosts have the same content. Default false.
   */
  readonly isMirror?: boolean | undefined;
  /**
   * The next step to suggest in errors that credentials might have prevented. Set only if the registry is not allowed
   * to receive credentials.
   */
  readonly withoutLogin?: NextStep | undefined;
  /**
   * Called before each request with the scopes that it needs; throws if they are not allowed. Default: all are allowed.
   */
  readonly checkAllowed?: ((scopes: readonly Scope[]) => Promise<void>) | undefined;
}

/** A repository, and the connection to its registry. */
export interface ConnectedRepository {
  readonly connection: Connection;
  /** The repository as `domain/path`, for error messages. */
  readonly location: string;
  readonly path: string;
}

const MAX_LOGINS = 4;
/**
 * Maximum number of additional attempts at a manifest write that failed with 5xx while other manifest writes were in
 * progress. These attempts are not counted as retries.
 */
const MAX_OVERLAPS = 3;
const MAX_ERROR_BODY = 64 * 1024;

interface Received extends LocatedResponse {
  /** The authorization that the request was sent with. */
  readonly sent: Authorization;
}

/**
 * Sends requests to one registry. Adds the authorization, follows redirects, retries failed requests, and limits the
 * number of concurrent requests. The errors state the step and the reference.
 */
export class Connection {
  readonly #parts: ConnectionParts;
  #hasAnswered = false;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
  }

  /** Maximum number of retries of a request; 0 for a mirror that has not yet responded with a status below 500. */
  get retries(): number {
    const { isMirror = false, client } = this.#parts;
    return isMirror && !this.#hasAnswered ? 0 : client.retries;
  }

  /** The address of the registry's API. */
  get base(): URL {
    return this.#parts.endpoint.base;
  }

  get steps(): PendingSteps {
    return this.#parts.steps;
  }

  get uploads(): OpenUploads {
    return this.#parts.uploads;
  }

  get client(): HttpClient {
    return this.#parts.client;
  }

  /** Announces the scopes of later requests, so that requests can share tokens. */
  expect(scopes: readonly Scope[]): void {
    this.#parts.authorizer.expect(scopes);
  }

  /**
   * Starts to connect to the registry before the first request, if its address is https. Errors are ignored here,
   * because the first request either receives the same error or connects again.
   * @param scopes - the rights that the requests will need
   */
  connect(scopes: readonly Scope[]): void {
    const { client, endpoint, checkAllowed } = this.#parts;
    const connect = async () => {
      await checkAllowed?.(scopes);
      if (endpoint.base.protocol === 'https:') await client.connect(endpoint.base);
    };
    connect().catch(() => undefined);
  }

  /**
   * Sends a request and reads the response.
   * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if the body is longer than `maxBytes`
   */
  async request(request: RegistryRequest, maxBytes: number): Promise<RegistryResponse> {
    return this.#parts.requests.run(() => this.#read(request, maxBytes));
  }

  /**
   * Runs an upload. All its requests share one request slot, so it never waits for a slot between them.
   * @param size - the length of the blob in bytes
   */
  async withUploadSlot<T>(size: number, upload: (send: SendRequest) => Promise<T>): Promise<T> {
    const { uploadSlots, requests } = this.#parts;
    const send: SendRequest = (request, maxBytes) => this.#read(request, maxBytes);
    return uploadSlots.run(size, () => requests.run(() => upload(send)));
  }

  async #read(request: RegistryRequest, maxBytes: number): Promise<RegistryResponse> {
    const end = this.#parts.steps.begin(request.step);
    const result = this.#withRetries(request, false, async ({ url, response }) => {
      const { status, headers } = response;
      const what = `the response of ${url.host} for ${request.step.reference}`;
      const bytes = request.method === 'HEAD' ? new Uint8Array() : await readBody(response, maxBytes, what);
      if (request.method === 'HEAD') await drain(response);
      return { status, headers, url, bytes };
    });
    return result.finally(end);
  }

  /**
   * Sends a request and returns the response without reading its body. The caller must always call `discard` on the
   * response, even after reading the whole body.
   */
  async open(request: RegistryRequest): Promise<RegistryStream> {
    const leaveSlot = await this.#parts.bodies.acquire();
    const endStep = this.#parts.steps.begin(request.step);
    const release = () => {
      leaveSlot();
      endStep();
    };
    try {
      return await this.#withRetries(request, true, ({ url, response }) => {
        const { status, headers, body, discard } = response;
        const discardAndRelease = () => {
          discard();
          release();
        };
        return Promise.resolve({ status, headers, url, body, discard: discardAndRelease });
      });
    } catch (thrown) {
      release();
      throw thrown;
    }
  }

  /**
   * Sends a request until a response is accepted or no further retry is allowed.
   * @param take - reads an accepted response; if it fails with a connection error, the request may be retried
   */
  async #withRetries<T>(
    request: RegistryRequest,
    streams: boolean,
    take: (received: Received) => Promise<T>,
  ): Promise<T> {
    const { client, writes, steps } = this.#parts;
    const { step, signal } = request;
    const isRepeatable = request.repeatable ?? (request.method !== 'POST' && request.method !== 'PATCH');
    const acceptAgain = [...request.accept, ...(request.acceptAgain ?? [])];
    let accept = request.accept;
    await this.#parts.checkAllowed?.(request.scopes);
    for (let attempt = 1, overlaps = 0; ; attempt += 1) {
      const isLast = attempt - overlaps > (request.retries ?? this.retries);
      try {
        const { received, write } = await this.#attempt(request, streams);
        const { status, headers } = received.response;
        if (status < 500) this.#hasAnswered = true;
        const retryAfterMs = parseRetryAfter(headers['retry-after'], Date.now());
        const isTooLong = exceedsMaxWait({ status, retryAfterMs });
        if (accept.includes(status) && !isTooLong) {
          return await take(received).catch((thrown: unknown) => {
            throw redirectFailure(received.url, this.base, thrown);
          });
        }
        const failure = await this.#failure(request, received, retryAfterMs);
        steps.recordResponse(step, describeStatus(status, retryAfterMs));
        const canRetry = isRetryableStatus(status) && (isRepeatable || isUnprocessedStatus(status));
        const isOverlap = overlaps < MAX_OVERLAPS && status >= 500 && write !== undefined && writes.failed(write);
        if ((isLast && !isOverlap) || !canRetry || isTooLong) throw failure;
        if (isOverlap) overlaps += 1;
        if (!isUnprocessedStatus(status)) accept = acceptAgain;
      } catch (thrown) {
        client.signals.throwIfAborted(signal);
        if (isConnectionError(thrown)) steps.recordResponse(step, describeNoResponse(thrown));
        const canRetry = isConnectionError(thrown) && (isRepeatable || isUnsent(thrown));
        if (isLast || !canRetry) throw this.#withLoginHint(connectionFailure(step, this.base.host, thrown));
        if (!isUnsent(thrown)) accept = acceptAgain;
      }
      await client.pause(backoff(attempt), signal);
    }
  }

  /**
   * Adds the next step `withoutLogin` to an error that credentials might have prevented. A 404 may be such an error,
   * because some registries send it for anonymous requests to private repositories.
   */
  #withLoginHint(error: MlistError): MlistError {
    const { withoutLogin } = this.#parts;
    const isRefusal = error.code === 'ERR_MLIST_UNAUTHORIZED' || error.code === 'ERR_MLIST_NOT_FOUND';
    return withoutLogin === undefined || !isRefusal ? error : withNextStep(error, withoutLogin);
  }

  /** Reads the body of a response whose status is not accepted, and creates the error for the response. */
  async #failure(
    request: RegistryRequest,
    { url: location, response, sent }: Received,
    retryAfterMs: number | undefined,
  ): Promise<MlistError> {
    const { status, headers } = response;
    const failed = {
      status,
      body: await readBody(response, MAX_ERROR_BODY, 'the response').catch(() => new Uint8Array()),
      host: this.base.host,
      location,
      retryAfterMs,
      sent,
      scopes: request.scopes,
      challenge: headers['www-authenticate'],
      isWrite: ['POST', 'PUT', 'PATCH'].includes(request.method),
      hasCondition: isConditional(request),
    };
    const failure = responseFailure(request.step, failed, this.#parts.secrets);
    const isUntrusted = status === 401 && !this.#parts.endpoint.isTrusted;
    return isUntrusted ? withNextStep(failure, { remedy: { kind: 'trust-connection' } }) : failure;
  }

  /** Makes one attempt at a request. A manifest write first waits until the write gate lets it begin. */
  async #attempt(
    request: RegistryRequest,
    streams: boolean,
  ): Promise<{ readonly received: Received; readonly write?: Write }> {
    if (request.isManifestWrite !== true) return { received: await this.#sendWithLogin(request, streams) };
    const { writes } = this.#parts;
    const write = await writes.enter();
    const received = await this.#sendWithLogin(request, streams).finally(() => writes.leave(write));
    if (received.response.status < 400) writes.succeeded();
    return { received, write };
  }

  /**
   * Sends a request. If the registry refuses it with 401 or 403, and the authorizer can provide other authorization,
   * sends it again, at most `MAX_LOGINS` times.
   */
  async #sendWithLogin(request: RegistryRequest, streams: boolean): Promise<Received> {
    const { authorizer } = this.#parts;
    const { scopes } = request;
    let before: Authorization | undefined;
    for (let logins = 0; ; logins += 1) {
      const sent = await authorizer.authorize(scopes);
      const { address, ...located } = await this.#sendAndRedirect(request, sent, streams);
      const { base } = address;
      const { status, headers } = located.response;
      const isRefused = status === 401 || status === 403;
      if (!isRefused) authorizer.accepted(sent);
      if (!isRefused || !sameOrigin(located.url, base) || logins >= MAX_LOGINS) return { ...located, sent };
      const challenge =
        headers['www-authenticate'] ?? (status === 401 ? await this.#challenge(address, request) : undefined);
      const isRepeated = await authorizer.refused({ status, challenge, sent, scopes, before, base });
      if (!isRepeated) return { ...located, sent };
      located.response.discard();
      before = sent;
    }
  }

  /**
   * Requests `/v2/` and returns the challenge in the response, because some registries send a challenge only for that
   * path (distribution-spec v1.1.1 "Determining Support"). Returns undefined if the response has no challenge,
   * or if an earlier challenge is known.
   */
  async #challenge(address: Address, { signal }: RegistryRequest): Promise<string | undefined> {
    if (this.#parts.authorizer.hasLearned) return undefined;
    const response = await this.#parts.client.send({
      method: 'GET',
      url: apiUrl('/v2/', address.base),
      headers: this.#ownHeaders(address),
      isUnverified: address.isUnverified,
      signal,
    });
    response.discard();
    return response.headers['www-authenticate'];
  }

  /**
   * Sends a request and follows redirects. Only the registry's own origin receives the authorization. After a redirect
   * to another origin, no request carries it, even if that origin redirects back to the registry. Otherwise, that
   * origin could choose which request the registry receives with the authorization.
   */
  async #sendAndRedirect(
    request: RegistryRequest,
    sent: Authorization,
    streams: boolean,
  ): Promise<LocatedResponse & { readonly address: Address }> {
    const { response, ...address } = await this.#parts.endpoint.tryAddresses((tried) =>
      this.#send(request, urlOf(request, tried.base), sent, tried, streams),
    );
    const { base } = address;
    const send = (url: URL, isOwn: boolean) => this.#send(request, url, isOwn ? sent : {}, address, streams);
    const first = { url: urlOf(request, base), response };
    return { address, ...(await followRedirects(first, { method: request.method, base, send })) };
  }

  async #send(
    request: RegistryRequest,
    url: URL,
    sent: Authorization,
    address: Address,
    streams: boolean,
  ): Promise<HttpResponse> {
    const isOwn = sameOrigin(url, address.base);
    const login = sent.header !== undefined && isOwn ? { authorization: sent.header } : {};
    const { method, body, isForBlob = false, extraTimeoutMs, opensUpload, signal } = request;
    const response = await this.#parts.client.send({
      method,
      url,
      headers: { ...(isOwn ? this.#ownHeaders(address) : {}), ...request.headers, ...login },
      body: typeof body === 'function' ? body() : body,
      streamsResponse: streams,
      isForBlob,
      extraTimeoutMs,
      opensUpload,
      isUnverified: isOwn && address.isUnverified,
      signal,
    });
    if (isOwn && response.protocol === 'HTTP/2') this.#parts.requests.raise(this.#parts.maxHttp2Requests);
    return response;
  }

  /**
   * Returns the configured headers for requests to the registry's own origin. Headers that authenticate are
   * credentials, so they are omitted if the address is not trusted.
   */
  #ownHeaders({ isTrusted }: Address): Readonly<Record<string, string>> {
    const { headers = {} } = this.#parts;
    if (isTrusted) return headers;
    return Object.fromEntries(Object.entries(headers).filter(([name]) => !isAuthenticating(name)));
  }
}
