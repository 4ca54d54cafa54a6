import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { MlistError } from '../../errors/errors.ts';
import { collectAtMost } from '../../fs/read-file.ts';
import type { Json } from '../../json/json.ts';
import { readJson } from '../../json/parse.ts';
import { waitFor, type ReportPending } from '../../async/pending.ts';
import type { ContentOptions } from '../store.ts';
import { limitedTo } from '../verify.ts';
import type { EngineAddress } from './engine-address.ts';
import { connectTo } from './engine-connection.ts';
import { connectionFailure, cutResponse, engineRefusal, silentEngine, type EngineStep } from './engine-error.ts';
import { sendBody, type RequestBody } from './request-body.ts';

/** One request and its result, for `--debug`. */
export interface EngineRequestEvent {
  readonly type: 'request';
  readonly method: string;
  readonly url: string;
  readonly status?: number | undefined;
  readonly milliseconds: number;
  readonly note?: string | undefined;
}

export interface EngineClientOptions {
  /** Milliseconds without any data after which a request fails. */
  readonly timeoutMs: number;
  /** The environment of ssh. */
  readonly env: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal | undefined;
  readonly waiting?: ReportPending | undefined;
  readonly onRequest?: ((event: EngineRequestEvent) => void) | undefined;
}

export interface EngineRequest extends ContentOptions {
  readonly step: EngineStep;
  /** The path without the API version, such as `/images/json`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>> | undefined;
  /** Milliseconds until the response begins, after the body has been sent. Default: the timeout of the client. */
  readonly waitMs?: number | undefined;
  /** The body of a POST request. Default: a GET request. */
  readonly body?: RequestBody | undefined;
}

/** Size limit for JSON responses. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
const MAX_ERROR_BYTES = 64 * 1024;

/** Sends requests to the API of one engine. Each request has its own connection. */
export class EngineClient {
  readonly address: EngineAddress;
  readonly #options: EngineClientOptions;

  constructor(address: EngineAddress, options: EngineClientOptions) {
    this.address = address;
    this.#options = options;
  }

  /**
   * Sends a request and reads its JSON response.
   * @throws MlistError `ERR_MLIST_NOT_FOUND`, `ERR_MLIST_UNAUTHORIZED`, `ERR_MLIST_REGISTRY`, `ERR_MLIST_NETWORK`,
   * `ERR_MLIST_TIMEOUT`
   */
  async json(request: EngineRequest): Promise<Json> {
    const chunks: Uint8Array[] = [];
    const exceeded = () => this.#invalidAnswer(request, `it has more than ${MAX_ANSWER_BYTES} bytes`);
    const reading = async (): Promise<void> => {
      for await (const chunk of limitedTo(MAX_ANSWER_BYTES, this.stream(request), exceeded)) chunks.push(chunk);
    };
    await waitFor(this.#options.waiting, `${request.step.what} ${request.step.reference}`, reading());
    const { value, problems } = readJson(Buffer.concat(chunks), { maxBytes: MAX_ANSWER_BYTES, maxValues: 1_000_000 });
    if (value === undefined) throw this.#invalidAnswer(request, problems[0]?.message ?? 'it is not JSON');
    return value;
  }

  /**
   * Sends a request and streams the body of its response. The stream fails if the connection ends before the body is
   * complete.
   */
  async *stream(request: EngineRequest): AsyncGenerator<Uint8Array> {
    const { step, body, waitMs = this.#options.timeoutMs } = request;
    const signals = [this.#options.signal, request.signal].filter((signal) => signal !== undefined);
    const signal = AbortSignal.any(signals);
    signal.throwIfAborted();
    const idle = new IdleTimer(signal);
    const target = targetOf(request);
    const started = Date.now();
    const connection = connectTo(this.address.host, this.#options.env);
    const report = (status?: number, note?: string): void =>
      this.#options.onRequest?.({
        type: 'request',
        method: methodOf(request),
        url: this.address.text + target,
        status,
        note,
        milliseconds: Date.now() - started,
      });
    try {
      idle.restart(body === undefined ? waitMs : this.#options.timeoutMs);
      // An engine may take long to respond after it has received the whole body.
      const onSent = (isLast: boolean): void => idle.restart(isLast ? waitMs : this.#options.timeoutMs);
      const response = await this.#send(request, idle.signal, connection.socket, onSent);
      report(response.statusCode);
      if (response.statusCode !== 200) throw await this.#refusal(request, response);
      for await (const chunk of response as AsyncIterable<Uint8Array>) {
        idle.stop();
        yield chunk;
        idle.restart(body === undefined ? this.#options.timeoutMs : waitMs);
      }
      if (!response.complete) throw cutResponse(step, this.address);
    } catch (thrown) {
      signal.throwIfAborted();
      if (idle.hasExpired) throw silentEngine(step, this.address, idle.milliseconds);
      throw this.#failure(step, (await connection.reason?.()) ?? thrown, report);
    } finally {
      idle.stop();
    }
  }

  #send(
    request: EngineRequest,
    signal: AbortSignal,
    socket: Duplex,
    onSent: (isLast: boolean) => void,
  ): Promise<IncomingMessage> {
    const { body } = request;
    return new Promise((resolve, reject) => {
      // A missing socket emits its error before the request has a listener for it.
      socket.once('error', reject);
      const headers = {
        ...{ Host: 'docker', 'User-Agent': 'mlist', Accept: '*/*', Connection: 'close' },
        ...(body === undefined ? {} : { 'Content-Type': body.type, 'Content-Length': body.size }),
      };
      const method = methodOf(request);
      const call = httpRequest({ method, path: targetOf(request), headers, signal, createConnection: () => socket })
        .on('response', resolve)
        // Node closes the connection without an error if a server answers with status 101.
        .on('upgrade', (response: IncomingMessage) => {
          response.resume();
          resolve(response);
        })
        .on('error', reject);
      if (body === undefined) call.end();
      else sendBody(body, call, onSent).catch(reject);
    });
  }

  async #refusal({ step }: EngineRequest, response: IncomingMessage): Promise<MlistError> {
    const body = await collectAtMost(response, { maxBytes: MAX_ERROR_BYTES });
    return engineRefusal(step, this.address, response.statusCode ?? 0, body);
  }

  #failure(step: EngineStep, thrown: unknown, report: (status?: number, note?: string) => void): unknown {
    if (thrown instanceof MlistError) return thrown;
    const { code, message } = thrown as NodeJS.ErrnoException;
    if (code === 'ECONNRESET' && message === 'aborted') return cutResponse(step, this.address);
    report(undefined, code ?? message);
    return connectionFailure(step, this.address, thrown);
  }

  #invalidAnswer({ step }: EngineRequest, reason: string): MlistError {
    const text = `cannot ${step.what} ${step.reference}: the answer of the engine is invalid: ${reason}`;
    return new MlistError('ERR_MLIST_REGISTRY', text, { reference: step.reference });
  }
}

function methodOf({ body }: EngineRequest): 'GET' | 'POST' {
  return body === undefined ? 'GET' : 'POST';
}

function targetOf({ path, query = {} }: EngineRequest): string {
  const parameters = new URLSearchParams(query).toString();
  return parameters === '' ? path : `${path}?${parameters}`;
}

/** Aborts a request after a time without data. */
class IdleTimer {
  readonly #controller = new AbortController();
  readonly signal: AbortSignal;
  milliseconds = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(signal: AbortSignal) {
    this.signal = AbortSignal.any([signal, this.#controller.signal]);
  }

  get hasExpired(): boolean {
    return this.#controller.signal.aborted;
  }

  restart(milliseconds: number): void {
    this.stop();
    this.milliseconds = milliseconds;
    this.#timer = setTimeout(() => this.#controller.abort(), milliseconds);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
