import { MlistError } from '../../errors/errors.ts';
import { drain, readBody, type HttpResponse } from './http/response.ts';
import type { Authorization, Authorizer } from './auth/auth.ts';
import {
  isConditional,
  isRedirect,
  urlOf,
  type RegistryRequest,
  type RegistryResponse,
  type SendRequest,
  type RegistryStream,
} from './request.ts';
import type { Endpoint } from './http/registry-address.ts';
import {
  describeStatus,
  responseFailure,
  connectionFailure,
  isConnectionError,
  isUnsent,
  describeNoResponse,
} from './request-failure.ts';
import type { Limiter } from '../../async/limiter.ts';
import type { PendingSteps } from '../../async/pending.ts';
import type { OpenUploads } from './blobs/open-uploads.ts';
import { checkAddress, sameOrigin } from './http/address.ts';
import { exceedsMaxWait, backoff, isRetryableStatus, isUnprocessedStatus, parseRetryAfter } from './http/retry.ts';
import type { Scope } from './auth/scope.ts';
import type { SecretRedactor } from '../../errors/redact.ts';
import type { HttpClient } from './http/http-client.ts';
import type { Write, WriteGate } from './write-gate.ts';

/** One registry: sends requests with login, redirects, retries and limits, and gives answers or errors that say what failed. */
export interface ConnectionParts {
  readonly endpoint: Endpoint;
  readonly authorizer: Authorizer;
  readonly client: HttpClient;
  /** Requests, uploads included. */
  readonly requests: Limiter;
  /**
   * Bodies that are being read. They have places of their own, since an upload holds one for a request while it waits
   * for the body that it sends on; a body never waits for a request.
   */
  readonly bodies: Limiter;
  readonly writes: WriteGate;
  readonly secrets: SecretRedactor;
  /** Told of what is being waited for. */
  readonly steps: PendingSteps;
  readonly uploads: OpenUploads;
}

const MAX_REDIRECTS = 10;
const MAX_LOGINS = 4;
/** Additional attempts at a write that failed while it overlapped others. They do not count as retries. */
const MAX_OVERLAPS = 3;
const MAX_ERROR_BODY = 64 * 1024;

interface Received {
  readonly url: URL;
  readonly answer: HttpResponse;
  /** What the request was sent with. */
  readonly sent?: Authorization;
}

export class Connection {
  readonly #parts: ConnectionParts;

  constructor(parts: ConnectionParts) {
    this.#parts = parts;
  }

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

  /** Tells beforehand which repositories the command will work on, so that one token serves them. */
  expect(scopes: readonly Scope[]): void {
    this.#parts.authorizer.expect(scopes);
  }

  /** Sends a request and reads its answer, at most `most` bytes. */
  async request(call: RegistryRequest, most: number): Promise<RegistryResponse> {
    return this.withSlot((request) => request(call, most));
  }

  /** Does several requests of one piece of work in one place, so that it does not wait for itself between them. */
  async withSlot<T>(work: (request: SendRequest) => Promise<T>): Promise<T> {
    return this.#parts.requests.run(() => work((call, most) => this.#read(call, most)));
  }

  async #read(call: RegistryRequest, most: number): Promise<RegistryResponse> {
    const end = this.#parts.steps.begin(call.step);
    const reply = this.#untilAnswered(call, false, async ({ url, answer }) => {
      const { status, headers } = answer;
      const what = `what ${url.host} sends as ${call.step.reference}`;
      const bytes = call.method === 'HEAD' ? new Uint8Array() : await readBody(answer, most, what);
      if (call.method === 'HEAD') await drain(answer);
      return { status, headers, url, bytes };
    });
    return reply.finally(end);
  }

  /** Sends a request and hands over the answer's body as it comes. The caller reads it to its end or discards it. */
  async open(call: RegistryRequest): Promise<RegistryStream> {
    const leavePlace = await this.#parts.bodies.enter();
    const endStep = this.#parts.steps.begin(call.step);
    const leave = () => {
      leavePlace();
      endStep();
    };
    try {
      return await this.#untilAnswered(call, true, ({ url, answer }) => {
        const { status, headers, discard } = answer;
        const end = () => {
          discard();
          leave();
        };
        return Promise.resolve({ status, headers, url, body: ending(answer.body, leave), discard: end });
      });
    } catch (thrown) {
      leave();
      throw thrown;
    }
  }

  /** Tries until there is an answer that the caller accepts, or nothing is left to try. */
  async #untilAnswered<T>(
    call: RegistryRequest,
    streams: boolean,
    take: (received: Received) => Promise<T>,
  ): Promise<T> {
    const { client, writes, secrets, steps } = this.#parts;
    const isRepeatable = call.repeatable ?? (call.method !== 'POST' && call.method !== 'PATCH');
    const again = [...call.accept, ...(call.acceptAgain ?? [])];
    let accepted = call.accept;
    for (let tries = 1, overlaps = 0; ; tries += 1) {
      const isLast = tries - overlaps > (call.retries ?? client.retries);
      try {
        const { received, write } = await this.#attempt(call, streams);
        const { status, headers } = received.answer;
        const wait = parseRetryAfter(headers['retry-after'], Date.now());
        const isTooLong = exceedsMaxWait({ status, retryAfterMs: wait });
        if (accepted.includes(status) && !isTooLong) return await take(received);
        const body = await readBody(received.answer, MAX_ERROR_BODY, 'the answer').catch(() => new Uint8Array());
        steps.answered(call.step, describeStatus(status, wait));
        const { url: location, sent = {} } = received;
        const isWrite = ['POST', 'PUT', 'PATCH'].includes(call.method);
        const request = { sent, scopes: call.scopes, isWrite, hasCondition: isConditional(call) };
        const challenge = headers['www-authenticate'];
        const answer = { status, body, host: this.base.host, location, wait, challenge, ...request };
        const failure = responseFailure(call.step, answer, secrets);
        const maySend = isRetryableStatus(status) && (isRepeatable || isUnprocessedStatus(status));
        const isOverlap = overlaps < MAX_OVERLAPS && status >= 500 && write !== undefined && writes.failed(write);
        if ((isLast && !isOverlap) || !maySend || isTooLong) throw failure;
        if (isOverlap) overlaps += 1;
        if (!isUnprocessedStatus(status)) accepted = again;
      } catch (thrown) {
        client.signalFor(call.signal)?.throwIfAborted();
        if (isConnectionError(thrown)) steps.answered(call.step, describeNoResponse(thrown));
        const maySend = isConnectionError(thrown) && (isRepeatable || isUnsent(thrown));
        if (isLast || !maySend) throw connectionFailure(call.step, this.base.host, thrown);
        if (!isUnsent(thrown)) accepted = again;
      }
      await client.pause(backoff(tries), call.signal);
    }
  }

  /** Sends a request. The write of a manifest waits for the write gate. */
  async #attempt(
    call: RegistryRequest,
    streams: boolean,
  ): Promise<{ readonly received: Received; readonly write?: Write }> {
    if (call.isManifestWrite !== true) return { received: await this.#authorized(call, streams) };
    const { writes } = this.#parts;
    const write = await writes.enter();
    const received = await this.#authorized(call, streams).finally(() => writes.leave(write));
    if (received.answer.status < 400) writes.succeeded();
    return { received, write };
  }

  /** Sends a request, and again with a login where the registry asks for one. */
  async #authorized(call: RegistryRequest, streams: boolean): Promise<Received> {
    const { authorizer } = this.#parts;
    let before: Authorization | undefined;
    for (let logins = 0; ; logins += 1) {
      const sent = await authorizer.authorize(call.scopes);
      const { base, ...redirected } = await this.#redirected(call, sent, streams);
      const received: Received = { ...redirected.received, sent };
      const { status, headers } = received.answer;
      const isOwnAnswer = sameOrigin(received.url, base);
      if (status !== 401 && status !== 403) authorizer.accepted(sent);
      if ((status !== 401 && status !== 403) || !isOwnAnswer || logins >= MAX_LOGINS) return received;
      const challenge = headers['www-authenticate'] ?? (status === 401 ? await this.#challenge(base, call) : undefined);
      if (!(await authorizer.refused({ status, challenge, sent, scopes: call.scopes, before, base }))) return received;
      received.answer.discard();
      before = sent;
    }
  }

  /** Some registries say how to log in at the entrance only (distribution-spec v1.1.1 "Determining Support"). */
  async #challenge(base: URL, { signal }: RegistryRequest): Promise<string | undefined> {
    if (this.#parts.authorizer.hasLearned) return undefined;
    const answer = await this.#parts.client.send({ method: 'GET', url: new URL('/v2/', base), headers: {}, signal });
    answer.discard();
    return answer.headers['www-authenticate'];
  }

  /**
   * Sends a request and follows redirects. The login goes to the registry's own origin only, and not even there once a
   * redirect has led elsewhere: a stranger must not choose what is asked for in the user's name.
   */
  async #redirected(
    call: RegistryRequest,
    sent: Authorization,
    streams: boolean,
  ): Promise<{ readonly base: URL; readonly received: Received }> {
    const send = (url: URL, base: URL, isOwn: boolean) => this.#send(call, url, isOwn ? sent : {}, base, streams);
    const first = await this.#parts.endpoint.tryAddresses((base) => send(urlOf(call, base), base, true));
    let received: Received = { url: urlOf(call, first.base), answer: first.answer };
    let isOwn = sameOrigin(received.url, first.base);
    for (let hops = 0; isRedirect(received.answer.status, call); hops += 1) {
      const location = received.answer.headers['location'];
      if (location === undefined || !URL.canParse(location, received.url.href)) break;
      if (hops >= MAX_REDIRECTS) throw tooManyRedirects(first.base);
      received.answer.discard();
      const url = new URL(location, received.url);
      checkAddress('a redirect', url, received.url);
      checkAddress('a redirect', url, first.base);
      isOwn &&= sameOrigin(url, first.base);
      received = { url, answer: await send(url, first.base, isOwn) };
    }
    return { base: first.base, received };
  }

  #send(call: RegistryRequest, url: URL, sent: Authorization, base: URL, streams: boolean): Promise<HttpResponse> {
    const login = sent.header !== undefined && sameOrigin(url, base) ? { authorization: sent.header } : {};
    const { method, body, isUpload = false, extraTimeoutMs, opensUpload, signal } = call;
    return this.#parts.client.send({
      method,
      url,
      headers: { ...call.headers, ...login },
      body: typeof body === 'function' ? body() : body,
      streamsResponse: streams || isUpload,
      extraTimeoutMs,
      opensUpload,
      signal,
    });
  }
}

function tooManyRedirects(base: URL): MlistError {
  return new MlistError('ERR_MLIST_REGISTRY', `too many redirects from ${base.host} (more than ${MAX_REDIRECTS})`);
}

/** Gives the place of a body up when it has been read, or given up. */
async function* ending(body: AsyncIterable<Uint8Array>, leave: () => void): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } finally {
    leave();
  }
}
