import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { SingleFlight, untilAborted } from '../../../../async/single-flight.ts';
import { connectionClosed } from '../connect.ts';
import { Http2Session, unprocessed, type Http2Slot } from './http2-session.ts';

export interface Http2ConnectionOptions {
  readonly origin: string;
  /** Opens a connection that lets the server choose between HTTP/2 and HTTP/1.1. */
  readonly open: () => Promise<Socket>;
  readonly timeoutMs: number;
}

/** Maximum number of sessions that a request tries, because the server may close one session after another. */
const MAX_SESSIONS = 5;

/**
 * The HTTP/2 connection to one origin, for documents. Concurrent requests share it, and wait for its handshake. If the
 * server chooses HTTP/1.1, the connection is left to the agent, and HTTP/2 is not tried again for this origin.
 */
export class Http2Connection {
  readonly #options: Http2ConnectionOptions;
  readonly #opening = new SingleFlight<Http2Session | undefined>();
  #spare: Socket | undefined;
  #session: Http2Session | undefined;
  #isHttp1 = false;
  #isClosed = false;

  constructor(options: Http2ConnectionOptions) {
    this.#options = options;
  }

  /**
   * Starts to open the connection before it is needed. A failure is not reported here: a request that waits for the
   * connection fails with the error, and a later request opens a new connection.
   */
  connect(): void {
    if (this.#session !== undefined || this.#isHttp1) return;
    this.#opening.run('', () => this.#open()).catch(() => undefined);
  }

  /**
   * Waits until a stream may be opened, and reserves it.
   * @param isSafe - whether the request is a GET or HEAD, which may be sent before the settings of the server are known
   * @returns the slot for the stream; undefined if the server chooses or requires HTTP/1.1
   * @throws Error if the connection fails, or if no stream can be opened in time or in `MAX_SESSIONS` sessions; the
   * reason of the signal if it is aborted
   */
  async acquire(isSafe: boolean, signal: AbortSignal | undefined): Promise<Http2Slot | undefined> {
    for (let sessions = 0; sessions < MAX_SESSIONS; sessions += 1) {
      if (this.#session?.requiresHttp1 === true) this.#isHttp1 = true;
      if (this.#isHttp1) return undefined;
      const session =
        this.#session?.isUsable === true
          ? this.#session
          : await untilAborted(
              this.#opening.run('', () => this.#open()),
              signal,
            );
      if (session === undefined) return undefined;
      const slot = await session.slot(isSafe, this.#options.timeoutMs, signal);
      if (slot !== undefined) return slot;
    }
    throw unprocessed();
  }

  /**
   * Removes and returns the connection on which the server has chosen HTTP/1.1, if no request has used it yet. Returns
   * undefined if no such connection exists, or if it is closed or being closed.
   */
  takeSpare(): Socket | undefined {
    const socket = this.#spare;
    this.#spare = undefined;
    if (socket === undefined) return undefined;
    socket.off('error', destroy);
    // A server sends nothing before the first request, unless it is about to close the connection, for example a 408.
    if (socket.writable && !socket.readableEnded && socket.readableLength === 0) return socket.ref();
    socket.destroy();
    return undefined;
  }

  /** Closes the session, and connections that are opened later. */
  close(): void {
    this.#isClosed = true;
    this.#session?.close();
  }

  async #open(): Promise<Http2Session | undefined> {
    const { origin, open, timeoutMs } = this.#options;
    const socket = await open();
    if (this.#isClosed) {
      socket.destroy();
      throw connectionClosed();
    }
    if (socket instanceof TLSSocket && socket.alpnProtocol === 'h2')
      return (this.#session = await Http2Session.open(socket, origin, timeoutMs));
    this.#isHttp1 = true;
    this.#spare = socket.on('error', destroy).unref();
    return undefined;
  }
}

/** After a TLS alert, Node would leave the connection open. */
function destroy(this: Socket): void {
  this.destroy();
}
