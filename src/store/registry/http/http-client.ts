import { setTimeout as sleep } from 'node:timers/promises';
import { LinkedSignals } from '../../../async/signals.ts';
import { errorCode } from '../../../errors/errors.ts';
import { safeUrl, type SecretRedactor } from '../../../errors/redact.ts';
import type { RequestEvent } from '../registry-options.ts';
import type { ConnectionPool } from './connection-pool.ts';
import { sendDocument, type DocumentRequest } from './document-request.ts';
import { RateLimitGate, rateLimitIn } from './rate-limit.ts';
import { warningsIn, type HttpResponse } from './response.ts';
import { backoff, exceedsMaxWait, isRetryableStatus, isUnprocessed, jitter, parseRetryAfter } from './retry.ts';
import { sendStream } from './stream-request.ts';

export interface HttpClientOptions {
  readonly pool: ConnectionPool;
  readonly timeoutMs: number;
  readonly retries: number;
  readonly userAgent: string;
  readonly secrets: SecretRedactor;
  readonly signal?: AbortSignal | undefined;
  readonly onRequest?: ((event: RequestEvent) => void) | undefined;
  readonly onWarning: (message: string) => void;
  /** The rule of a configuration file that chose the host, for `onRequest`. */
  readonly chosenBy?: string | undefined;
}

export interface HttpRequest extends Pick<DocumentRequest, 'method' | 'url' | 'headers' | 'signal'> {
  readonly body?: Uint8Array | AsyncIterable<Uint8Array> | undefined;
  /** Whether the body of the response may have any length, so that it is streamed. */
  readonly streamsResponse?: boolean | undefined;
  /**
   * Whether the request is part of an upload or a mount. Many of these are sent at once, and `sendStream` is faster for
   * them than got.
   */
  readonly isUpload?: boolean | undefined;
  /** Milliseconds that are added to the timeout of the response, which starts after the body has been sent. */
  readonly extraTimeoutMs?: number | undefined;
  /**
   * Whether the response states the location of an upload that has to be cancelled. If so, an abort takes effect only
   * after `ABORT_DELAY_MS`.
   */
  readonly opensUpload?: boolean | undefined;
  /** Do not verify the certificate of the server. The request must not carry credentials. */
  readonly isUnverified?: boolean | undefined;
}

/** Milliseconds to wait after an abort for the response to a request that opens an upload. */
export const ABORT_DELAY_MS = 1_000;

/** Maximum number of further attempts at a request that an HTTP/2 server has not processed. */
const MAX_RESENDS = 3;

/** Sends the requests to one registry and to the hosts that it names. */
export class HttpClient {
  readonly signals: LinkedSignals;
  readonly #options: HttpClientOptions;
  readonly #gate = new RateLimitGate();

  constructor(options: HttpClientOptions) {
    this.#options = options;
    this.signals = new LinkedSignals(options.signal);
  }

  /** Maximum number of retries of a request. */
  get retries(): number {
    return this.#options.retries;
  }

  /** Sends one request, after any delay that the registry has asked for, and reports it to `onRequest`. */
  async send(request: HttpRequest): Promise<HttpResponse> {
    const delayMs = this.#gate.remainingMs;
    if (delayMs > 0) await this.pause(delayMs, request.signal);
    const started = performance.now();
    try {
      const response = await this.#dispatch(request);
      this.#observe(response, request.url);
      this.#report(request, started, () => ({
        status: response.status,
        protocol: response.protocol,
        rateLimit: rateLimitIn(response.headers),
      }));
      return response;
    } catch (thrown) {
      this.#report(request, started, () => ({ note: errorCode(thrown) ?? 'failed' }));
      throw thrown;
    }
  }

  async #dispatch(request: HttpRequest): Promise<HttpResponse> {
    const {
      method,
      url,
      body,
      streamsResponse = false,
      isUpload = false,
      extraTimeoutMs = 0,
      opensUpload = false,
      isUnverified,
    } = request;
    const { pool, timeoutMs, userAgent } = this.#options;
    const headers = { 'user-agent': userAgent, ...request.headers };
    const route = await pool.route(url, isUnverified);
    const common = { method, url, headers, route, timeoutMs };
    const linked = this.signals.link(request.signal);
    linked?.throwIfAborted();
    const signal = opensUpload && linked !== undefined ? this.signals.delayed(linked, ABORT_DELAY_MS) : linked;
    const responseTimeoutMs = timeoutMs + extraTimeoutMs;
    const isDocument = body instanceof Uint8Array || (body === undefined && !streamsResponse);
    if (!isDocument) return sendStream({ ...common, body, signal, responseTimeoutMs });
    return this.#resend(signal, async () => {
      const slot = await route.http2?.acquire(signal);
      return isUpload && body === undefined
        ? sendStream({ ...common, slot, signal, responseTimeoutMs })
        : sendDocument({ ...common, body, slot, signal });
    });
  }

  /**
   * Sends a request until the server has processed it. Attempts that the server has not processed do not count as
   * retries.
   */
  async #resend(signal: AbortSignal | undefined, send: () => Promise<HttpResponse>): Promise<HttpResponse> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await send();
      } catch (thrown) {
        if (!isUnprocessed(thrown) || attempt > MAX_RESENDS) throw thrown;
      }
      // The second attempt is not delayed, because the server has probably only closed its connection after a number of
      // requests.
      if (attempt > 1) await sleep(backoff(attempt - 1), undefined, { signal });
    }
  }

  /** Delays later requests to this registry if the response has a `Retry-After`, and reports its warnings. */
  #observe({ status, headers }: HttpResponse, url: URL): void {
    const retryAfterMs = parseRetryAfter(headers['retry-after'], Date.now());
    if (retryAfterMs !== undefined && isRetryableStatus(status) && !exceedsMaxWait({ status, retryAfterMs }))
      this.#gate.delay(jitter(retryAfterMs));
    for (const text of warningsIn(headers))
      this.#options.onWarning(`${url.host} warns: ${this.#options.secrets.redact(text, url)}`);
  }

  #report({ method, url }: HttpRequest, started: number, result: () => Partial<RequestEvent>): void {
    const { onRequest, secrets, chosenBy } = this.#options;
    if (onRequest === undefined) return;
    const milliseconds = performance.now() - started;
    const { rateLimit, protocol, ...outcome } = result();
    const details = {
      ...(protocol === undefined ? {} : { protocol }),
      ...(rateLimit === undefined ? {} : { rateLimit }),
      ...(chosenBy === undefined ? {} : { chosenBy }),
    };
    onRequest({ type: 'request', method, url: secrets.redact(safeUrl(url)), milliseconds, ...outcome, ...details });
  }

  /**
   * Waits this long.
   * @throws the reason of the signal if it is aborted
   */
  async pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
    const linked = this.signals.link(signal);
    await sleep(milliseconds, undefined, { signal: linked }).catch(() => undefined);
    linked?.throwIfAborted();
  }
}
