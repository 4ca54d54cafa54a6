import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PendingSteps, Step } from '../../../async/pending.ts';
import { errorCode } from '../../../errors/errors.ts';
import { safeUrl, type SecretRedactor } from '../../../errors/redact.ts';
import type { TokenCall, TokenReply, TokenSender } from '../auth/token-service.ts';
import { exchange, type Exchange } from './document-exchange.ts';
import type { Network } from './network.ts';
import { rateLimitOf, warningsOf } from './response-headers.ts';
import { type Answer, readAnswer } from './response.ts';
import { asksTooLong, backoff, isRetryableStatus, retryAfter, spread } from './retry.ts';
import { streamExchange } from './stream-exchange.ts';
import type { RequestEvent } from '../registry-options.ts';
import { answerText, failedExchange, isConnectionFault, noAnswerText } from '../request-failure.ts';

/** The connections to one registry, and what is common to all requests over them. */
export interface WireParts {
  readonly network: Network;
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

export interface Request extends Pick<Exchange, 'method' | 'url' | 'headers' | 'signal'> {
  readonly body?: Uint8Array | AsyncIterable<Uint8Array> | undefined;
  /** The answer's body may be of any length. */
  readonly streams?: boolean | undefined;
  /** Milliseconds that the answer may take beyond the usual, once all is sent. */
  readonly extraPatienceMs?: number | undefined;
  /** The request opens something: its answer, which says what, is awaited for a moment even after an abort. */
  readonly opens?: boolean | undefined;
}

/** How long the answer to a request that opens something is awaited after an abort. */
export const LINGER_MS = 1_000;

export class Wire {
  readonly #parts: WireParts;
  readonly #pace = new Pace();
  readonly #signals = new WeakMap<AbortSignal, AbortSignal>();
  readonly #lingering = new WeakMap<AbortSignal, AbortSignal>();

  constructor(parts: WireParts) {
    this.#parts = parts;
  }

  get retries(): number {
    return this.#parts.retries;
  }

  /** One exchange, told to `onRequest`. It begins when the registry lets its clients come again. */
  async send(request: Request): Promise<Answer> {
    const hold = this.#pace.wait;
    if (hold > 0) await this.pause(hold, request.signal);
    const started = performance.now();
    try {
      const answer = await this.#exchange(request);
      this.#hear(answer, request.url);
      this.#tell(request, started, () => ({ status: answer.status, rateLimit: rateLimitOf(answer.headers) }));
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
    streams = false,
    extraPatienceMs = 0,
    opens = false,
    ...request
  }: Request): Promise<Answer> {
    const { network, timeoutMs, userAgent } = this.#parts;
    const headers = { 'user-agent': userAgent, ...request.headers };
    const common = { method, url, headers, route: await network.route(url), timeoutMs };
    const joint = this.signalFor(request.signal);
    joint?.throwIfAborted();
    const signal = opens && joint !== undefined ? this.#lingeringFor(joint) : joint;
    if (body instanceof Uint8Array || (body === undefined && !streams)) return exchange({ ...common, body, signal });
    return streamExchange({ ...common, body, signal, patienceMs: timeoutMs + extraPatienceMs });
  }

  /** `Retry-After` delays all requests to this registry; warnings are reported. */
  #hear({ status, headers }: Answer, url: URL): void {
    const asked = retryAfter(headers['retry-after'], Date.now());
    const isAsked = isRetryableStatus(status) && asked !== undefined;
    if (isAsked && !asksTooLong({ status, retryAfterMs: asked })) this.#pace.hold(spread(asked));
    for (const text of warningsOf(headers['warning'])) {
      this.#parts.onWarning(`${url.host} says: ${this.#parts.secrets.redact(text, url)}`);
    }
  }

  #tell({ method, url }: Request, started: number, facts: () => Partial<RequestEvent>): void {
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
      const onAbort = () => setTimeout(() => late.abort(signal.reason), LINGER_MS).unref();
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

  async #sendForToken(step: Step, call: TokenCall): Promise<TokenReply> {
    const { signal, steps } = this.#parts;
    for (let tries = 1; ; tries += 1) {
      const isLast = tries > this.retries;
      try {
        const answer = await this.send(call);
        const bytes = await readAnswer(answer, MAX_TOKEN_ANSWER, `the answer of ${call.url.host}`);
        const { status, headers } = answer;
        const wait = retryAfter(headers['retry-after'], Date.now());
        const isFinal = isLast || !isRetryableStatus(status) || asksTooLong({ status, retryAfterMs: wait });
        if (isFinal) return { status, headers, bytes };
        steps.recordResponse(step, answerText(status, wait));
      } catch (thrown) {
        signal?.throwIfAborted();
        if (isLast || !isConnectionFault(thrown)) throw failedExchange(step, call.url.host, thrown);
        steps.recordResponse(step, noAnswerText(thrown));
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
