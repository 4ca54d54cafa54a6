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

/** Reports the status of a response or, in `note`, the error of a failed connection. `--debug` logs these events. */
export interface EngineRequestEvent {
  readonly type: 'request';
  readonly method: string;
  readonly url: string;
  readonly status?: number | undefined;
  readonly milliseconds: number;
  readonly note?: string | undefined;
}

export interface EngineClientOptions {
  /** A request fails if no data is sent or received for this many milliseconds, unless its `waitMs` applies. */
  readonly timeoutMs: number;
  /** The environment of ssh processes. */
  readonly env: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal | undefined;
  readonly waiting?: ReportPending | undefined;
  readonly onRequest?: ((event: EngineRequestEvent) => void) | undefined;
}

export interface EngineRequest extends ContentOptions {
  readonly step: EngineStep;
  /** The path, with the API version if it is known, such as `/v1.48/images/json`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>> | undefined;
  /**
   * Maximum time, in milliseconds, until the response begins. If the request has a body, the time starts when the body
   * has been sent, and the same limit applies to the wait for each later part of the response. Default: `timeoutMs`.
   */
  readonly waitMs?: number | undefined;
  /** The request body. A request with a body is a POST request; a request without one is a GET request. */
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
   * @throws MlistError `ERR_MLIST_NOT_FOUND` for HTTP 404; `ERR_MLIST_UNAUTHORIZED` for HTTP 401 and 403, or if access
   * to the socket is denied; `ERR_MLIST_REGISTRY` for other error responses and invalid responses; `ERR_MLIST_NETWORK`
   * if the connection fails; `ERR_MLIST_TIMEOUT` if the engine sends no data for too long
   */
  async json(request: EngineRequest): Promise<Json> {
    const chunks: Uint8Array[] = [];
    const exceeded = () => this.#invalidAnswer(request, `it is larger than ${MAX_ANSWER_BYTES} bytes`);
    const reading = async (): Promise<void> => {
      for await (const chunk of limitedTo(MAX_ANSWER_BYTES, this.stream(request), exceeded)) chunks.push(chunk);
    };
    await waitFor(this.#options.waiting, `${request.step.what} ${request.step.reference}`, reading());
    const { value, problems } = readJson(Buffer.concat(chunks), { maxBytes: MAX_ANSWER_BYTES, maxValues: 1_000_000 });
    if (value === undefined) throw this.#invalidAnswer(request, problems[0]?.message ?? 'it is not JSON');
    return value;
  }

  /**
   * Sends a request and streams the response body. The stream fails if the connection ends before the body is complete.
   * @throws MlistError the errors of `json`, except the one for an invalid response body
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
      // Engines process the body after they have received it, and the processing may take longer than `timeoutMs`.
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
      // If the socket file does not exist, `socket` emits its error before the request listens for errors.
      socket.once('error', reject);
      const headers = {
        ...{ Host: 'docker', 'User-Agent': 'mlist', Accept: '*/*', Connection: 'close' },
        ...(body === undefined ? {} : { 'Content-Type': body.type, 'Content-Length': body.size }),
      };
      const method = methodOf(request);
      const call = httpRequest({ method, path: targetOf(request), headers, signal, createConnection: () => socket })
        .on('response', resolve)
        // Without this listener, Node would close the connection on status 101 without emitting an error.
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
    const text = `cannot ${step.what} ${step.reference}: the engine sent an invalid response: ${reason}`;
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

/** Aborts its signal when the time runs out, or when the given signal is aborted. */
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
