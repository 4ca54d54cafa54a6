import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode } from '../../errors.ts';
import type { RequestEvent } from './options.ts';
import { backoff, isRetryableStatus, retryAfter } from './retry.ts';
import { safeUrl } from './secrets.ts';
import type { SendToken } from './token.ts';
import { exchange, readAnswer, type Agents, type Answer, type Exchange } from './transport.ts';

/** The connections to one registry, and what is common to all requests over them. */
export interface WireParts {
  readonly agents: Agents;
  readonly timeoutMs: number;
  readonly retries: number;
  readonly userAgent: string;
  readonly signal?: AbortSignal | undefined;
  readonly onRequest?: ((event: RequestEvent) => void) | undefined;
}

export type Request = Pick<Exchange, 'method' | 'url' | 'headers' | 'body' | 'signal'>;

export class Wire {
  readonly #parts: WireParts;

  constructor(parts: WireParts) {
    this.#parts = parts;
  }

  get retries(): number {
    return this.#parts.retries;
  }

  /** One exchange, told to `onRequest`. */
  async send(request: Request): Promise<Answer> {
    const { agents, timeoutMs, userAgent } = this.#parts;
    const started = performance.now();
    const headers = { 'user-agent': userAgent, ...request.headers };
    try {
      const answer = await exchange({ ...request, headers, agents, timeoutMs, signal: this.signalFor(request.signal) });
      this.#tell(request, started, { status: answer.status });
      return answer;
    } catch (thrown) {
      this.#tell(request, started, { note: errorCode(thrown) ?? 'failed' });
      throw thrown;
    }
  }

  #tell({ method, url }: Request, started: number, facts: Pick<RequestEvent, 'status' | 'note'>): void {
    const milliseconds = performance.now() - started;
    this.#parts.onRequest?.({ type: 'request', method, url: safeUrl(url), milliseconds, ...facts });
  }

  /** Aborts with the session, and with the one call. */
  signalFor(signal: AbortSignal | undefined): AbortSignal | undefined {
    const session = this.#parts.signal;
    return signal === undefined || session === undefined ? (signal ?? session) : AbortSignal.any([signal, session]);
  }

  /** Waits before another try; rejects with the abort's reason where it is aborted. */
  async pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
    const joint = this.signalFor(signal);
    await sleep(milliseconds, undefined, { signal: joint }).catch(() => undefined);
    joint?.throwIfAborted();
  }

  /** Talks to a token service: no redirects, few bytes, and the same patience as with the registry. */
  tokenSender(): SendToken {
    return async (call) => {
      for (let tries = 1; ; tries += 1) {
        const answer = await this.send(call);
        const bytes = await readAnswer(answer, MAX_TOKEN_ANSWER, `the answer of ${call.url.host}`);
        const { status, headers } = answer;
        if (tries > this.retries || !isRetryableStatus(status)) return { status, headers, bytes };
        await this.pause(retryAfter(headers['retry-after'], Date.now()) ?? backoff(tries));
      }
    };
  }
}

const MAX_TOKEN_ANSWER = 1024 * 1024;
