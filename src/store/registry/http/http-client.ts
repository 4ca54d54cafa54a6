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
  /** The option or configuration file that determined the host. Reported to `onRequest`. */
  readonly chosenBy?: string | undefined;
}

export interface HttpRequest extends Pick<DocumentRequest, 'method' | 'url' | 'headers' | 'signal'> {
  readonly body?: Uint8Array | AsyncIterable<Uint8Array> | undefined;
  /** Whether the body of the response is streamed, because it may have any length. Default false. */
  readonly streamsResponse?: boolean | undefined;
  /**
   * Whether the request uploads, mounts or queries a blob. A command may send many such requests concurrently, and
   * `sendStream` needs less time and memory for them than got. Default false.
   */
  readonly isForBlob?: boolean | undefined;
  /** Milliseconds to add to the timeout of the response. This timeout starts when the body has been sent. */
  readonly extraTimeoutMs?: number | undefined;
  /**
   * Whether the request opens an upload. If so, an abort takes effect only after `ABORT_DELAY_MS`, because the upload
   * cannot be cancelled without the location in the response. Default false.
   */
  readonly opensUpload?: boolean | undefined;
  /**
   * Whether to skip the verification of the server's certificate. If so, the request must not carry credentials.
   * Default false.
   */
  readonly isUnverified?: boolean | undefined;
}

/** Milliseconds to wait after an abort for the response to a request that opens an upload. */
export const ABORT_DELAY_MS = 1_000;

/** Maximum number of further attempts at a request that an HTTP/2 server has not processed. */
const MAX_RESENDS = 3;

/** Sends requests to one registry, and to other hosts to which it refers, such as its token service. */
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

  /**
   * Starts to open the connection for documents at the origin of a URL, if it may use HTTP/2.
   * @throws MlistError if the proxy settings or the certificates are invalid
   */
  async connect(url: URL): Promise<void> {
    const route = await this.#options.pool.route(url);
    route.http2?.connect();
  }

  /** Sends one request, after any delay that the registry has requested, and reports it to `onRequest`. */
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
      isForBlob = false,
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
    const isSafe = method === 'GET' || method === 'HEAD';
    return this.#resend(signal, async () => {
      const slot = await route.http2?.acquire(isSafe, signal);
      return isForBlob && body === undefined
        ? sendStream({ ...common, slot, signal, responseTimeoutMs })
        : sendDocument({ ...common, body, slot, signal });
    });
  }

  /**
   * Sends a request, and sends it again if the server has not processed it, at most `MAX_RESENDS` times. These further
   * attempts are not counted as retries.
   */
  async #resend(signal: AbortSignal | undefined, send: () => Promise<HttpResponse>): Promise<HttpResponse> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await send();
      } catch (thrown) {
        if (!isUnprocessed(thrown) || attempt > MAX_RESENDS) throw thrown;
      }
      // The second attempt is not delayed: usually, the first one fails only because the server closes each connection
      // after a certain number of requests.
      if (attempt > 1) await sleep(backoff(attempt - 1), undefined, { signal });
    }
  }

  /** Delays later requests after a retryable response with `Retry-After`. Reports the warnings in the response. */
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
   * Waits for the given time.
   * @throws the reason of the signal if it is aborted
   */
  async pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
    const linked = this.signals.link(signal);
    await sleep(milliseconds, undefined, { signal: linked }).catch(() => undefined);
    linked?.throwIfAborted();
  }
}
