import { createServer, type TLSSocket } from 'node:tls';
import type { AddressInfo, Server } from 'node:net';
import type { Certificate } from './certificates.ts';

/** A server that sends HTTP/2 frames that a real server would not send. It reads only the frame headers of requests. */

const types = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
  ORIGIN: 12,
  UNKNOWN: 0xfa,
} as const;
type FrameType = keyof typeof types;

export const END_STREAM = 0x1;
export const END_HEADERS = 0x4;
const ACK = 0x1;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** Answers the frames of one connection. Called for HEADERS and DATA with `END_STREAM`, when a request is complete. */
export type Answer = (stream: number, socket: TLSSocket) => void;

export function frame(type: FrameType, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = types[type];
  header[4] = flags;
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

/** Numbers of 32 bits. */
export function numbers(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, at) => bytes.writeUInt32BE(value, at * 4));
  return bytes;
}

/** Literal header fields without indexing (RFC 7541 section 6.2.2). */
export function block(headers: Readonly<Record<string, string | number>>): Buffer {
  const fields = Object.entries(headers).flatMap(([name, value]) => [Buffer.of(0), text(name), text(String(value))]);
  return Buffer.concat(fields);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  const length = [Math.min(bytes.length, 127)];
  for (let rest = bytes.length - 127; rest >= 0; rest = rest < 128 ? -1 : Math.floor(rest / 128))
    length.push(rest < 128 ? rest : 128 + (rest % 128));
  return Buffer.concat([Buffer.from(length), bytes]);
}

/** The settings that tests use, with their numbers (RFC 9113 section 6.5.2). */
const settingNumbers = { enablePush: 2, maxConcurrentStreams: 3, initialWindowSize: 4, maxFrameSize: 5 } as const;
type Settings = Partial<Record<keyof typeof settingNumbers, number>>;

export function settings(values: Settings = {}): Buffer {
  const entries = Object.entries(values) as [keyof Settings, number][];
  const payload = entries.map(([name, value]) => Buffer.concat([Buffer.of(0, settingNumbers[name]), numbers(value)]));
  return frame('SETTINGS', 0, 0, Buffer.concat(payload));
}
export const windowUpdate = (stream: number, increment: number): Buffer =>
  frame('WINDOW_UPDATE', 0, stream, numbers(increment));
export const reset = (stream: number, code: number): Buffer => frame('RST_STREAM', 0, stream, numbers(code));
export const goaway = (lastStream: number, code = 0): Buffer => frame('GOAWAY', 0, 0, numbers(lastStream, code));

/** A complete response. */
export function respond(stream: number, headers: Readonly<Record<string, string | number>>, body: Uint8Array): Buffer {
  return Buffer.concat([
    frame('HEADERS', END_HEADERS, stream, block({ ':status': 200, ...headers })),
    frame('DATA', END_STREAM, stream, body),
  ]);
}

export interface FrameServerOptions {
  readonly certificate: Certificate;
  readonly answer: Answer;
  /** Called for the HEADERS of a request, whose body may follow. */
  readonly begin?: Answer | undefined;
  /** What it sends first. Default: empty settings. */
  readonly first?: Buffer | undefined;
  /** Whether it acknowledges the settings of the client. Default true, unless it sends nothing first. */
  readonly acknowledges?: boolean | undefined;
}

const PREFACE_BYTES = 24;

export class FrameServer {
  /** The streams of all connections, in the order of their requests. */
  readonly streams: number[] = [];
  connections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<TLSSocket>();

  private constructor({
    certificate: { cert, key },
    answer,
    begin,
    first = settings(),
    acknowledges = first.length > 0,
  }: FrameServerOptions) {
    this.#server = createServer({ cert, key, ALPNProtocols: ['h2'] }, (socket) => {
      this.connections += 1;
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.write(first);
      readFrames(socket, ({ type, flags, stream }) => {
        if (type === types.SETTINGS && (flags & ACK) === 0 && acknowledges) socket.write(frame('SETTINGS', ACK, 0));
        if (type === types.HEADERS) {
          this.streams.push(stream);
          begin?.(stream, socket);
        }
        if ((type === types.HEADERS || type === types.DATA) && (flags & END_STREAM) !== 0) answer(stream, socket);
      });
    });
  }

  static async start(options: FrameServerOptions): Promise<FrameServer> {
    const server = new FrameServer(options);
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

function readFrames(socket: TLSSocket, onFrame: (frame: Frame) => void): void {
  let received = Buffer.alloc(0);
  let skip = PREFACE_BYTES;
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    for (;;) {
      const length = received.length < skip + 9 ? Number.POSITIVE_INFINITY : received.readUIntBE(skip, 3);
      if (received.length < skip + 9 + length) return;
      const [header, payload] = [received.subarray(skip), received.subarray(skip + 9, skip + 9 + length)];
      onFrame({ type: header[3]!, flags: header[4]!, stream: header.readUInt32BE(5), payload });
      received = received.subarray(skip + 9 + length);
      skip = 0;
    }
  });
}

/**
 * Sends frames without an end, as fast as the client reads.
 * @param of - the frame of each number, or the same frame for all
 */
export function flood(socket: TLSSocket, of: Buffer | ((at: number) => Buffer)): void {
  let sent = 0;
  const next = () => (typeof of === 'function' ? of(sent++) : of);
  const many = () => Buffer.concat(Array.from({ length: 100 }, next));
  const same = typeof of === 'function' ? undefined : many();
  const write = () => {
    while (!socket.destroyed && socket.write(same ?? many()));
    if (!socket.destroyed) socket.once('drain', write);
  };
  write();
}
