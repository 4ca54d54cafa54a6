import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from 'node:http2';
import type { Socket } from 'node:net';
import { errorCode } from '../../../../errors/errors.ts';
import { connectionClosed, timeoutError } from '../connect.ts';

/** Permission to open one stream. */
export interface Http2Slot {
  readonly session: Http2Session;
  /** Frees the slot for another request. Further calls do nothing. */
  readonly release: () => void;
}

/** Error codes for violations of the protocol (RFC 9113 section 7). */
const PROTOCOL_ERRORS = [0x1, 0x3, 0x6, 0x9];
const REFUSED_STREAM = 0x7;
const HTTP_1_1_REQUIRED = 0xd;

/** Maximum size of the response headers. Like `maxHeaderListPairs`, it is equal to Node's limit for HTTP/1.1. */
export const MAX_HEADER_BYTES = 16 * 1024;
/**
 * Maximum total of SETTINGS frames, PING frames and announced origins since the last request ended. No well-behaved
 * server sends more.
 */
const MAX_CONTROL_FRAMES = 1000;
/**
 * Maximum number of requests that are sent before the SETTINGS frame of the server arrives, which takes a round trip.
 * Servers usually permit at least 100 streams (RFC 9113 section 6.5.2). If a server refuses some of these requests,
 * they are sent again.
 */
const MAX_EARLY_REQUESTS = 32;
/** The longest delay that a Node timer supports. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** The flow-control window of a stream. It is large enough to receive a document of 4 MiB in a few round trips. */
const STREAM_WINDOW_BYTES = 1024 * 1024;
const SESSION_WINDOW_BYTES = 8 * STREAM_WINDOW_BYTES;

const sessionOptions = {
  maxSettings: 32,
  maxHeaderListPairs: 2000,
  maxSessionInvalidFrames: 100,
  /** Memory limit of a session in megabytes. */
  maxSessionMemory: 64,
  settings: { enablePush: false, initialWindowSize: STREAM_WINDOW_BYTES, maxHeaderListSize: MAX_HEADER_BYTES },
} as const;

/**
 * An HTTP/2 connection to one origin. Once the server has announced how many concurrent streams it permits, further
 * requests wait for a free stream. Until then, up to `MAX_EARLY_REQUESTS` GET and HEAD requests are sent, which are safe
 * to repeat; all other requests wait.
 */
export class Http2Session {
  readonly #session: ClientHttp2Session;
  readonly #waiting = new Set<{ readonly next: () => void; readonly refresh: () => void }>();
  #open = 0;
  #isRetired = false;
  /** Whether the SETTINGS frame of the server has arrived. */
  #hasSettings = false;
  #requiresHttp1 = false;
  /** The highest stream id that the server may have processed; all later streams are unprocessed. */
  #lastProcessed = Number.POSITIVE_INFINITY;
  #failure: Error | undefined;
  /** Number of control frames and announced origins since the last request ended. */
  #controlFrames = 0;
  /**
   * Keeps the process alive while requests are open. After some violations of the protocol, such as a frame that is too
   * long, Node stops reading without an event, and the process would end before the requests time out.
   */
  #keepAlive: NodeJS.Timeout | undefined;

  private constructor(session: ClientHttp2Session, timeoutMs: number) {
    this.#session = session;
    const timer = setTimeout(() => session.destroy(timeoutError('the HTTP/2 SETTINGS frame')), timeoutMs).unref();
    session.on('ping', () => this.#countControlFrames(1));
    // Node keeps every announced origin in memory, so origins are counted like control frames.
    session.on('origin', (origins: readonly string[]) => this.#countControlFrames(origins.length));
    session.on('remoteSettings', () => {
      if (!this.#hasSettings) session.setLocalWindowSize(SESSION_WINDOW_BYTES);
      this.#hasSettings = true;
      clearTimeout(timer);
      this.#countControlFrames(1);
      this.#startWaiting();
    });
    session.on('goaway', (_code: number, lastStreamId: number) => {
      this.#lastProcessed = Math.min(this.#lastProcessed, lastStreamId);
      this.retire();
    });
    session.on('error', (error: Error) => (this.#failure = normalizedError(error)));
    session.on('close', () => {
      clearTimeout(timer);
      this.retire();
    });
    // A session without requests must not keep the process alive.
    session.unref();
  }

  /**
   * Starts HTTP/2 on a connection.
   * @param timeoutMs - time limit in milliseconds for the SETTINGS frame of the server
   * @throws Error if the connection has failed
   */
  static async open(socket: Socket, origin: string, timeoutMs: number): Promise<Http2Session> {
    let failure: Error | undefined;
    socket.on('error', (error) => {
      failure = error;
      // After a TLS alert, Node would end the session without closing the connection or emitting an event.
      socket.destroy();
    });
    const { connect } = await import('node:http2');
    // A server that requires a client certificate closes the connection only after the handshake. A session on a closed
    // connection would not emit an event.
    if (socket.destroyed) throw failure ?? connectionClosed();
    const session = connect(origin, { ...sessionOptions, createConnection: () => socket });
    const opened = new Http2Session(session, timeoutMs);
    // The first listener destroys the socket, and the session then closes without an error of its own.
    socket.on('error', (error) => (opened.#failure ??= error));
    return opened;
  }

  /** Whether the session accepts further requests. */
  get isUsable(): boolean {
    return !this.#isRetired && !this.#session.closed && !this.#session.destroyed;
  }

  /**
   * Whether the server has refused a stream with `HTTP_1_1_REQUIRED`, which means that it serves the request over
   * HTTP/1.1 only.
   */
  get requiresHttp1(): boolean {
    return this.#requiresHttp1;
  }

  /**
   * Waits until the server permits another stream.
   * @param isSafe - whether the request may be sent before the limit of the server is known
   * @returns the slot for the stream; undefined if the session accepts no further requests
   * @throws Error `ETIMEDOUT` if no stream is free, and none ends within `timeoutMs`; if the session ends before the
   * SETTINGS frame, its error or `ECONNRESET`; the reason of the signal if it is aborted
   */
  async slot(isSafe: boolean, timeoutMs: number, signal: AbortSignal | undefined): Promise<Http2Slot | undefined> {
    signal?.throwIfAborted();
    if (!this.isUsable || this.#open < this.#limit(isSafe)) return this.#takeIfUsable();
    return new Promise((resolve, reject) => {
      const onAbort = () => end(() => reject(signal?.reason as Error));
      const timer = setTimeout(() => end(() => reject(timeoutError('a free HTTP/2 stream'))), timeoutMs);
      const waiter = {
        next: () => end(() => resolve(this.#takeIfUsable())),
        refresh: () => timer.refresh(),
      };
      const end = (settle: () => void) => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        this.#waiting.delete(waiter);
        settle();
      };
      this.#waiting.add(waiter);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /**
   * Opens a stream. The caller must hold a slot.
   * @throws Error `HTTP2_UNPROCESSED` if the session has ended
   */
  start(headers: OutgoingHttpHeaders, endStream: boolean): ClientHttp2Stream {
    try {
      return this.#session.request(headers, { endStream });
    } catch (thrown) {
      if (this.isUsable) throw thrown;
      throw unprocessed();
    }
  }

  /** Returns the error for a stream that has ended without a complete response. */
  failureOf({ id, rstCode }: ClientHttp2Stream, error: Error | undefined, hasResponse: boolean): Error {
    if (!hasResponse) {
      if (rstCode === HTTP_1_1_REQUIRED) this.#requiresHttp1 = true;
      const isRefused = rstCode === REFUSED_STREAM || rstCode === HTTP_1_1_REQUIRED;
      if (isRefused || id === undefined || id > this.#lastProcessed) return unprocessed();
    }
    if (this.#failure !== undefined) return this.#failure;
    if (PROTOCOL_ERRORS.includes(rstCode)) return protocolError('the response is malformed');
    return error === undefined ? connectionClosed() : normalizedError(error);
  }

  /** Opens no further streams, and closes the connection after the last open stream has ended. */
  retire(): void {
    this.#isRetired = true;
    for (const { next } of [...this.#waiting]) next();
    if (this.#open === 0) this.#session.destroy();
  }

  /** Closes the connection, and fails its streams. */
  fail(error: Error): void {
    this.#session.destroy(error);
  }

  /** Closes the connection, even if streams are open. Waiting requests get no slot. */
  close(): void {
    this.#session.destroy();
    this.retire();
  }

  /** Returns the maximum number of open streams, as far as it is known. See `slot` for `isSafe`. */
  #limit(isSafe: boolean): number {
    if (!this.#hasSettings) return isSafe ? MAX_EARLY_REQUESTS : 0;
    return this.#session.remoteSettings.maxConcurrentStreams ?? Number.POSITIVE_INFINITY;
  }

  #takeIfUsable(): Promise<Http2Slot | undefined> {
    if (this.isUsable) return Promise.resolve(this.#take());
    return this.#hasSettings ? Promise.resolve(undefined) : Promise.reject(this.#failure ?? connectionClosed());
  }

  #take(): Http2Slot {
    if (this.#open === 0) {
      this.#session.ref();
      this.#keepAlive = setInterval(() => undefined, MAX_TIMER_MS);
    }
    this.#open += 1;
    let isHeld = true;
    const release = () => {
      if (isHeld) this.#release();
      isHeld = false;
    };
    return { session: this, release };
  }

  #release(): void {
    this.#open -= 1;
    this.#controlFrames = 0;
    if (this.#open === 0) clearInterval(this.#keepAlive);
    if (this.#open === 0 && this.#isRetired) this.#session.destroy();
    else if (this.#open === 0) this.#session.unref();
    for (const { refresh } of this.#waiting) refresh();
    this.#startWaiting();
  }

  #countControlFrames(count: number): void {
    this.#controlFrames += count;
    if (this.#controlFrames > MAX_CONTROL_FRAMES) this.fail(protocolError('too many control frames'));
  }

  /** Starts waiting requests, which all wait until the settings of the server have arrived. */
  #startWaiting(): void {
    for (const { next } of [...this.#waiting]) {
      if (this.#open >= this.#limit(false)) return;
      next();
    }
  }
}

/** Creates the error for a request that may be sent again, because the server has not processed it. */
export function unprocessed(): Error {
  return Object.assign(new Error('the server has not processed the request'), { code: 'HTTP2_UNPROCESSED' });
}

/** Creates the error for a server that violates the protocol. */
export function protocolError(message: string): Error {
  return Object.assign(new Error(message), { code: 'HTTP2_PROTOCOL' });
}

/**
 * Converts Node's HTTP/2 errors: to `ECONNRESET` if the server has closed the session or the stream, otherwise to
 * `HTTP2_PROTOCOL`, for example after an invalid frame. Returns any other error unchanged.
 */
function normalizedError(error: Error): Error {
  const code = errorCode(error) ?? '';
  if (code === 'ERR_HTTP2_SESSION_ERROR' || code === 'ERR_HTTP2_STREAM_ERROR') return connectionClosed(error.message);
  return code.startsWith('ERR_HTTP2_') ? protocolError(error.message) : error;
}
