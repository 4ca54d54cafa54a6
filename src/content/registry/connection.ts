import { errorCode, MlistError } from '../../errors.ts';
import type { Authorization, Authorizer } from './auth.ts';
import type { Endpoint } from './endpoint.ts';
import { failedAnswer, failedExchange, type Step } from './failure.ts';
import type { Limiter } from './limiter.ts';
import { checkAddress, sameOrigin } from './origin.ts';
import { backoff, isRetryableStatus, retryAfter } from './retry.ts';
import type { Scope } from './scope.ts';
import type { Secrets } from './secrets.ts';
import { readAnswer, type Answer, type Exchange } from './transport.ts';
import type { Wire } from './wire.ts';

/** One registry: sends requests with login, redirects, retries and limits, and gives answers or errors that say what failed. */
export interface ConnectionParts {
  readonly endpoint: Endpoint;
  readonly authorizer: Authorizer;
  readonly wire: Wire;
  readonly limiter: Limiter;
  readonly secrets: Secrets;
}

/** What is asked of the registry. */
export interface Call {
  readonly step: Step;
  readonly method: Exchange['method'];
  /** Path and query below the registry's origin, or a whole address that the registry gave. */
  readonly target: string | URL;
  readonly scopes: readonly Scope[];
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: Uint8Array | (() => AsyncIterable<Uint8Array>) | undefined;
  /** Statuses that are answers; any other is an error. */
  readonly accept: readonly number[];
  /** Whether the same request may be sent again after a failure. Default: not for POST and PATCH. */
  readonly repeatable?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Reply {
  readonly status: number;
  readonly headers: Answer['headers'];
  /** Address that answered in the end, after redirects. */
  readonly url: URL;
  readonly bytes: Uint8Array;
}

export interface StreamReply extends Omit<Reply, 'bytes'> {
  readonly body: AsyncIterable<Uint8Array>;
  readonly discard: () => void;
}

const MAX_REDIRECTS = 10;
const MAX_LOGINS = 3;
const MAX_ERROR_BODY = 64 * 1024;

interface Received {
  readonly url: URL;
  readonly answer: Answer;
}

export class Connection {
  readonly #parts: ConnectionParts;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
  }

  get base(): URL {
    return this.#parts.endpoint.base;
  }

  /** Tells beforehand which repositories the command will work on, so that one token serves them. */
  expect(scopes: readonly Scope[]): void {
    this.#parts.authorizer.expect(scopes);
  }

  /** Sends a request and reads its answer, at most `most` bytes. */
  async request(call: Call, most: number): Promise<Reply> {
    return this.#parts.limiter.run(() =>
      this.#untilAnswered(call, async ({ url, answer }) => {
        const bytes = await readAnswer(answer, most, `what ${url.host} sends as ${call.step.reference}`);
        return { status: answer.status, headers: answer.headers, url, bytes };
      }),
    );
  }

  /** Sends a request and hands over the answer's body as it comes. The caller reads it to its end or discards it. */
  async open(call: Call): Promise<StreamReply> {
    return this.#untilAnswered(call, ({ url, answer }) => {
      const { status, headers, body, discard } = answer;
      return Promise.resolve({ status, headers, url, body, discard });
    });
  }

  /** Tries until there is an answer that the caller accepts, or nothing is left to try. */
  async #untilAnswered<T>(call: Call, take: (received: Received) => Promise<T>): Promise<T> {
    const { wire, secrets } = this.#parts;
    const isRepeatable = call.repeatable ?? (call.method !== 'POST' && call.method !== 'PATCH');
    for (let tries = 1; ; tries += 1) {
      const isLast = tries > wire.retries || !isRepeatable;
      let wait = backoff(tries);
      try {
        const received = await this.#authorized(call);
        const { status, headers } = received.answer;
        if (call.accept.includes(status)) return await take(received);
        const body = await readAnswer(received.answer, MAX_ERROR_BODY, 'the answer').catch(() => new Uint8Array());
        const failure = failedAnswer(call.step, { status, body, host: this.base.host }, secrets);
        if (isLast || !isRetryableStatus(status)) throw failure;
        wait = retryAfter(headers['retry-after'], Date.now()) ?? wait;
      } catch (thrown) {
        wire.signalFor(call.signal)?.throwIfAborted();
        if (isLast || !isConnectionFault(thrown)) throw failedExchange(call.step, this.base.host, thrown);
      }
      await wire.pause(wait, call.signal);
    }
  }

  /** Sends a request, and again with a login where the registry asks for one. */
  async #authorized(call: Call): Promise<Received> {
    const { authorizer } = this.#parts;
    for (let logins = 0; ; logins += 1) {
      const sent = await authorizer.authorize(call.scopes);
      const { base, received } = await this.#redirected(call, sent);
      const { status, headers } = received.answer;
      const isOwnAnswer = sameOrigin(received.url, base);
      if ((status !== 401 && status !== 403) || !isOwnAnswer || logins >= MAX_LOGINS) return received;
      if (!(await authorizer.refused(status, headers['www-authenticate'], sent, call.scopes, base))) return received;
      received.answer.discard();
    }
  }

  /** Sends a request and follows redirects. The login goes to the registry's own origin only. */
  async #redirected(call: Call, sent: Authorization): Promise<{ readonly base: URL; readonly received: Received }> {
    const first = await this.#parts.endpoint.reach((base) => this.#send(call, this.#urlOf(call, base), base, sent));
    let received: Received = { url: this.#urlOf(call, first.base), answer: first.answer };
    for (let hops = 0; isRedirect(received.answer.status, call); hops += 1) {
      const location = received.answer.headers['location'];
      if (location === undefined || !URL.canParse(location, received.url.href)) break;
      if (hops >= MAX_REDIRECTS) throw tooManyRedirects(first.base);
      received.answer.discard();
      const url = new URL(location, received.url);
      checkAddress('redirect', url, received.url);
      checkAddress('redirect', url, first.base);
      received = { url, answer: await this.#send(call, url, first.base, sent) };
    }
    return { base: first.base, received };
  }

  #urlOf({ target }: Call, base: URL): URL {
    if (typeof target !== 'string') return target;
    return new URL(target, base);
  }

  #send(call: Call, url: URL, base: URL, sent: Authorization): Promise<Answer> {
    const login = sent.header !== undefined && sameOrigin(url, base) ? { authorization: sent.header } : {};
    return this.#parts.wire.send({
      method: call.method,
      url,
      headers: { ...call.headers, ...login },
      body: typeof call.body === 'function' ? call.body() : call.body,
      signal: call.signal,
    });
  }
}

/** 307 and 308 may be followed by any method; the older ones would turn a POST into a GET. */
function isRedirect(status: number, { method, body }: Call): boolean {
  const isReading = method === 'GET' || method === 'HEAD';
  const canReplay = isReading || typeof body !== 'function';
  return (isReading && [301, 302, 303].includes(status)) || (canReplay && (status === 307 || status === 308));
}

function tooManyRedirects(base: URL): MlistError {
  return new MlistError(
    'ERR_MLIST_REGISTRY',
    `${base.host} sends its client in circles: more than ${MAX_REDIRECTS} redirects`,
  );
}

/** The connection failed, rather than the registry's answer being bad. */
function isConnectionFault(thrown: unknown): boolean {
  if (thrown instanceof MlistError) return false;
  return !/^(?:ERR_TLS|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ENOTFOUND|HPE_HEADER_OVERFLOW)/.test(
    errorCode(thrown) ?? '',
  );
}
