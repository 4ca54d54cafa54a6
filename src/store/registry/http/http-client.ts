import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PendingSteps, Step } from '../../../async/pending.ts';
import { errorCode } from '../../../errors/errors.ts';
import { safeUrl, type SecretRedactor } from '../../../errors/redact.ts';
import type { TokenHttpRequest, TokenResponse, TokenSender } from '../auth/token-service.ts';
import { sendDocument, type DocumentRequest } from './document-exchange.ts';
import type { ConnectionPool } from './network.ts';
import { rateLimitIn, warningsIn } from './response-headers.ts';
import { type HttpResponse, readBody } from './response.ts';
import { exceedsMaxWait, backoff, isRetryableStatus, parseRetryAfter, jitter } from './retry.ts';
import { sendStream } from './stream-exchange.ts';
import type { RequestEvent } from '../registry-options.ts';
import { describeStatus, connectionFailure, isConnectionError, describeNoResponse } from '../request-failure.ts';

/** The connections to one registry, and what is common to all requests over them. */
export interface HttpClientOptions {
  readonly pool: ConnectionPool;
  readonly timeoutMs: number;
  readonly retries: number;
  readonly userAgent: string;
  readonly secrets: SecretRedactor;
  /** Includes the requests to token services. */
  readonly steps: PendingSteps;
  readonly signal?: AbortSignal | undefined;
  readonly onRequest?: ((event: RequestEvent) => void) | undefined;
  /** Told of each different warning of a registry once. */
  readonly onWarning: (message: string) => void;
}

export interface HttpRequest extends Pick<DocumentRequest, 'method' | 'url' | 'headers' | 'signal'> {
  readonly body?: Uint8Array | AsyncIterable<Uint8Array> | undefined;
  /** The answer's body may be of any length. */
  readonly streamsResponse?: boolean | undefined;
  /** Milliseconds that the answer may take beyond the usual, once all is sent. */
  readonly extraTimeoutMs?: number | undefined;
  /** The request opens something: its answer, which says what, is awaited for a moment even after an abort. */
  readonly opensUpload?: boolean | undefined;
}

/** How long the answer to a request that opens something is awaited after an abort. */
export const ABORT_DELAY_MS = 1_000;

export class HttpClient {
  readonly #parts: HttpClientOptions;
  readonly #pace = new Pace();
  readonly #signals = new WeakMap<AbortSignal, AbortSignal>();
  readonly #lingering = new WeakMap<AbortSignal, AbortSignal>();

  constructor(parts: HttpClientOptions) {
    this.#parts = parts;
  }

  get retries(): number {
    return this.#parts.retries;
  }

  /** One exchange, told to `onRequest`. It begins when the registry lets its clients come again. */
  async send(request: HttpRequest): Promise<HttpResponse> {
    const hold = this.#pace.wait;
    if (hold > 0) await this.pause(hold, request.signal);
    const started = performance.now();
    try {
      const answer = await this.#exchange(request);
      this.#hear(answer, request.url);
      this.#tell(request, started, () => ({ status: answer.status, rateLimit: rateLimitIn(answer.headers) }));
      return answer;
    } catch (thrown) {
      this.#tell(request, started, () => ({ note: errorCode(thrown) ?? 'failed' }));
      throw thrown;
    }
  }

  async #exchange({
    method,
    url,
    body,
    streamsResponse = false,
    extraTimeoutMs = 0,
    opensUpload = false,
    ...request
  }: HttpRequest): Promise<HttpResponse> {
    const { pool, timeoutMs, userAgent } = this.#parts;
    const headers = { 'user-agent': userAgent, ...request.headers };
    const common = { method, url, headers, route: await pool.route(url), timeoutMs };
    const joint = this.signalFor(request.signal);
    joint?.throwIfAborted();
    const signal = opensUpload && joint !== undefined ? this.#lingeringFor(joint) : joint;
    if (body instanceof Uint8Array || (body === undefined && !streamsResponse))
      return sendDocument({ ...common, body, signal });
    return sendStream({ ...common, body, signal, responseTimeoutMs: timeoutMs + extraTimeoutMs });
  }

  /** `Retry-After` delays all requests to this registry; warnings are reported. */
  #hear({ status, headers }: HttpResponse, url: URL): void {
    const asked = parseRetryAfter(headers['retry-after'], Date.now());
    const isAsked = isRetryableStatus(status) && asked !== undefined;
    if (isAsked && !exceedsMaxWait({ status, retryAfterMs: asked })) this.#pace.hold(jitter(asked));
    for (const text of warningsIn(headers['warning'])) {
      this.#parts.onWarning(`${url.host} says: ${this.#parts.secrets.redact(text, url)}`);
    }
  }

  #tell({ method, url }: HttpRequest, started: number, facts: () => Partial<RequestEvent>): void {
    const { onRequest } = this.#parts;
    if (onRequest === undefined) return;
    const milliseconds = performance.now() - started;
    const { rateLimit, ...more } = facts();
    const limit = rateLimit === undefined ? {} : { rateLimit };
    onRequest({
      type: 'request',
      method,
      url: this.#parts.secrets.redact(safeUrl(url)),
      milliseconds,
      ...more,
      ...limit,
    });
  }

  /** Aborts with the session, and with the one call. One for all requests of a piece of work: making one takes a while. */
  signalFor(signal: AbortSignal | undefined): AbortSignal | undefined {
    const own = signal ?? this.#parts.signal;
    if (own === undefined) return undefined;
    let joint = this.#signals.get(own);
    if (joint === undefined) {
      joint = AbortSignal.any([own, this.#parts.signal ?? own]);
      setMaxListeners(0, joint);
      this.#signals.set(own, joint);
    }
    return joint;
  }

  /** A signal for one last request: it is sent after an abort too, and ends after this time. */
  lastSignal(milliseconds: number): AbortSignal {
    const signal = AbortSignal.timeout(milliseconds);
    this.#signals.set(signal, signal);
    return signal;
  }

  /** Aborts a moment after the signal does. */
  #lingeringFor(signal: AbortSignal): AbortSignal {
    let lingering = this.#lingering.get(signal);
    if (lingering === undefined) {
      const late = new AbortController();
      const onAbort = () => setTimeout(() => late.abort(signal.reason), ABORT_DELAY_MS).unref();
      signal.addEventListener('abort', onAbort, { once: true });
      lingering = late.signal;
      setMaxListeners(0, lingering);
      this.#lingering.set(signal, lingering);
    }
    return lingering;
  }

  /** Waits before another try; rejects with the abort's reason where it is aborted. */
  async pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
    const joint = this.signalFor(signal);
    await sleep(milliseconds, undefined, { signal: joint }).catch(() => undefined);
    joint?.throwIfAborted();
  }

  /** Talks to a token service: no redirects, few bytes, and the same patience as with the registry. */
  tokenSender(): TokenSender {
    const send: TokenSender['send'] = async (call) => {
      const step = { what: 'get a token from', reference: call.url.host };
      const end = this.#parts.steps.begin(step, { isShared: true });
      return this.#sendForToken(step, call).finally(end);
    };
    return { send, retries: this.retries, pause: (tries) => this.pause(backoff(tries)) };
  }

  async #sendForToken(step: Step, call: TokenHttpRequest): Promise<TokenResponse> {
    const { signal, steps } = this.#parts;
    for (let tries = 1; ; tries += 1) {
      const isLast = tries > this.retries;
      try {
        const answer = await this.send(call);
        const bytes = await readBody(answer, MAX_TOKEN_ANSWER, `the answer of ${call.url.host}`);
        const { status, headers } = answer;
        const wait = parseRetryAfter(headers['retry-after'], Date.now());
        const isFinal = isLast || !isRetryableStatus(status) || exceedsMaxWait({ status, retryAfterMs: wait });
        if (isFinal) return { status, headers, bytes };
        steps.answered(step, describeStatus(status, wait));
      } catch (thrown) {
        signal?.throwIfAborted();
        if (isLast || !isConnectionError(thrown)) throw connectionFailure(step, call.url.host, thrown);
        steps.answered(step, describeNoResponse(thrown));
      }
      await this.pause(backoff(tries));
    }
  }
}

const MAX_TOKEN_ANSWER = 1024 * 1024;

/** What a registry has asked all its clients to wait for: one answer of 429 holds up every request to it. */
class Pace {
  #until = 0;

  /** No request before so many milliseconds from now. */
  hold(milliseconds: number): void {
    this.#until = Math.max(this.#until, performance.now() + milliseconds);
  }

  /** Milliseconds until the next request may go; 0 where it may go now. */
  get wait(): number {
    return Math.max(0, this.#until - performance.now());
  }
}
