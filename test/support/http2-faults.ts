import type { TLSSocket } from 'node:tls';
import {
  block,
  END_HEADERS,
  END_STREAM,
  flood,
  frame,
  goaway,
  numbers,
  reset,
  respond,
  settings,
  windowUpdate,
  type Answer,
  type FrameServerOptions,
} from './http2-frames.ts';
import { imageOf } from '../store/samples.ts';

/** What a server can do wrong over HTTP/2 when a manifest is read or written, and the error that it must cause. */

export const { manifest } = imageOf('x');
/** A manifest that is longer than the windows with which a stream and a session start. */
export const longManifest = imageOf('long', { annotations: { long: 'y'.repeat(70_000) } }).manifest;
export const type = { 'content-type': manifest.descriptor.mediaType };
const whole = { ...type, 'content-length': manifest.bytes.length };
const half = manifest.bytes.subarray(0, manifest.bytes.length >> 1);

/** Sends the manifest. */
export const found: Answer = (stream, socket) => socket.write(respond(stream, type, manifest.bytes));

const responseHead = (stream: number): Buffer =>
  frame('HEADERS', END_HEADERS, stream, block({ ':status': 200, ...type }));

/** Sends the headers and half of the body, and then something else. */
export const thenHalf =
  (then: (stream: number, socket: TLSSocket) => void): Answer =>
  (stream, socket) =>
    socket.write(Buffer.concat([responseHead(stream), frame('DATA', 0, stream, half)]), () => then(stream, socket));

const sends =
  (of: (stream: number) => Buffer): Answer =>
  (stream, socket) =>
    socket.write(of(stream));

const endless =
  (of: (stream: number) => Buffer): Answer =>
  (stream, socket) =>
    flood(socket, of(stream));

/** The frames have numbers. */
const endlessly =
  (of: (stream: number, at: number) => Buffer): Answer =>
  (stream, socket) =>
    flood(socket, (at) => of(stream, at));

function silence(): void {
  // Sends nothing.
}

export interface Fault extends Omit<FrameServerOptions, 'certificate'> {
  /** Without `ERR_MLIST_`. */
  readonly code: 'NETWORK' | 'TIMEOUT' | 'DOCUMENT_INVALID' | 'REGISTRY';
  /** A part of the message. */
  readonly message: string;
  /** The number of requests that the server receives. Default: 1. */
  readonly streams?: number;
  /** Whether `longManifest` is written, instead of a manifest being read. Default false. */
  readonly writes?: boolean;
}

const cut = { code: 'NETWORK', message: '(ECONNRESET)' } as const;
const malformed = { code: 'NETWORK', message: '(HTTP2_PROTOCOL)' } as const;
const silent = { code: 'TIMEOUT', message: '' } as const;

const unprocessed = { code: 'NETWORK', message: '(HTTP2_UNPROCESSED)' } as const;

/** What a server does at the start of a session. */
const starts = {
  http1: Buffer.from('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n'),
  nothing: Buffer.alloc(0),
  otherFrame: goaway(0),
  closed: Buffer.concat([settings(), goaway(0)]),
  closedWithError: Buffer.concat([settings(), goaway(0, 11)]),
  invalidFrame: Buffer.concat([settings(), frame('PING', 0, 0)]),
  invalidSetting: settings({ initialWindowSize: 2 ** 31 }),
  push: settings({ enablePush: 1 }),
  noStream: settings({ maxConcurrentStreams: 0 }),
} as const;

/** A read is sent before the settings of the server arrive. */
const startsOfReads: Readonly<Record<string, Fault>> = {
  'ALPN promises h2, and the server speaks HTTP/1.1': { first: starts.http1, answer: silence, ...malformed },
  'the server sends no settings': { first: starts.nothing, answer: silence, ...silent },
  'the server sends another frame first': { first: starts.otherFrame, answer: silence, ...malformed },
  'the server closes the session after its settings': {
    first: starts.closed,
    answer: silence,
    ...unprocessed,
    streams: 4,
  },
  'the server closes the session with an error after its settings': {
    first: starts.closedWithError,
    answer: silence,
    ...unprocessed,
    streams: 4,
  },
  // Node sends GOAWAY, but emits no event before the server closes the connection.
  'the server sends an invalid frame after its settings': { first: starts.invalidFrame, answer: silence, ...silent },
  'a setting is invalid': { first: starts.invalidSetting, answer: silence, ...malformed },
  'the server enables push': { first: starts.push, answer: silence, ...malformed },
  'the server permits no stream': {
    first: starts.noStream,
    answer: (stream, socket) => socket.write(reset(stream, 7)),
    ...silent,
  },
};

/** A write is sent only after the settings of the server have arrived. */
const startsOfWrites: Readonly<Record<string, Fault>> = {
  'ALPN promises h2, and the server speaks HTTP/1.1': { first: starts.http1, answer: silence, ...malformed },
  'the server sends no settings': { first: starts.nothing, answer: silence, ...silent },
  'the server sends another frame first': { first: starts.otherFrame, answer: silence, ...malformed },
  'the server closes the session after its settings': { first: starts.closed, answer: silence, ...unprocessed },
  'the server closes the session with an error after its settings': {
    first: starts.closedWithError,
    answer: silence,
    ...unprocessed,
  },
  'the server sends an invalid frame after its settings': {
    first: starts.invalidFrame,
    answer: silence,
    ...unprocessed,
  },
  'the server responds before the request': {
    first: Buffer.concat([settings(), respond(1, type, manifest.bytes)]),
    answer: silence,
    ...malformed,
  },
  'a setting is invalid': { first: starts.invalidSetting, answer: silence, ...malformed },
  'the server enables push': { first: starts.push, answer: silence, ...malformed },
  'the server permits no stream': { first: starts.noStream, answer: found, ...silent },
};

const beforeWrites: Readonly<Record<string, Fault>> = Object.fromEntries(
  Object.entries(startsOfWrites).map(([name, fault]) => [
    `${name}, before a write`,
    { ...fault, writes: true, streams: 0 },
  ]),
);

/** Responses that are cut, or that never come or end. */
const cuts: Readonly<Record<string, Fault>> = {
  'the server never answers': { answer: silence, ...silent },
  'the body never goes on': { answer: thenHalf(silence), ...silent },
  'the connection is cut in the body': { answer: thenHalf((_stream, socket) => socket.destroy()), ...cut },
  'the connection is closed in the body': { answer: thenHalf((_stream, socket) => socket.end()), ...cut },
  'the connection is closed before the response': { answer: (_stream, socket) => socket.end(), ...cut },
  'the session is closed in the body': { answer: thenHalf((stream, socket) => socket.end(goaway(stream))), ...cut },
  'the session is closed with an error in the body': {
    answer: thenHalf((stream, socket) => socket.end(goaway(stream, 2))),
    ...cut,
  },
  'the session is closed in the body, as if it had not begun': {
    answer: thenHalf((_stream, socket) => socket.end(goaway(0))),
    ...cut,
  },
  'the stream is reset without an error in the body': {
    answer: thenHalf((stream, socket) => socket.write(reset(stream, 0))),
    ...cut,
  },
  'the stream is reset without an error before the response': { answer: sends((stream) => reset(stream, 0)), ...cut },
  'the stream is cancelled in the body': {
    answer: thenHalf((stream, socket) => socket.write(reset(stream, 8))),
    ...cut,
  },
  'the stream is refused after the response has begun': {
    answer: thenHalf((stream, socket) => socket.write(reset(stream, 7))),
    ...cut,
  },
  'every stream is refused': {
    answer: sends((stream) => reset(stream, 7)),
    code: 'NETWORK',
    message: '(HTTP2_UNPROCESSED)',
    streams: 4,
  },
  'every session is closed before it processes a request': {
    answer: (_stream, socket) => socket.end(goaway(0)),
    code: 'NETWORK',
    message: '(HTTP2_UNPROCESSED)',
    streams: 4,
  },
  'the request is misdirected': {
    answer: sends((stream) => frame('HEADERS', END_HEADERS | END_STREAM, stream, block({ ':status': 421 }))),
    code: 'REGISTRY',
    message: 'HTTP 421',
  },
};

/** Responses and frames that violate the protocol. */
const violations: Readonly<Record<string, Fault>> = {
  'the body is shorter than its length': { answer: sends((stream) => respond(stream, whole, half)), ...malformed },
  'the body is longer than its length': {
    answer: sends((stream) => respond(stream, { ...type, 'content-length': half.length }, manifest.bytes)),
    ...malformed,
  },
  'the length is not a number': {
    answer: sends((stream) => respond(stream, { ...type, 'content-length': '1x' }, manifest.bytes)),
    ...malformed,
  },
  'the name of a header has capitals': {
    answer: sends((stream) => respond(stream, { ...type, 'X-Capital': 1 }, manifest.bytes)),
    ...malformed,
  },
  'a header is about the connection': {
    answer: sends((stream) => respond(stream, { ...type, connection: 'close' }, manifest.bytes)),
    ...malformed,
  },
  'the response has no status': {
    answer: sends((stream) => frame('HEADERS', END_HEADERS | END_STREAM, stream, block(type))),
    ...malformed,
  },
  'the response switches protocols': {
    answer: sends((stream) => frame('HEADERS', END_HEADERS, stream, block({ ':status': 101 }))),
    ...malformed,
  },
  'the response is only informational': {
    answer: sends((stream) => frame('HEADERS', END_HEADERS | END_STREAM, stream, block({ ':status': 103 }))),
    ...malformed,
  },
  'trailers do not end the stream': {
    answer: sends((stream) =>
      Buffer.concat([
        responseHead(stream),
        frame('DATA', 0, stream, manifest.bytes),
        frame('HEADERS', END_HEADERS, stream, block({ 'x-trailer': 1 })),
      ]),
    ),
    ...malformed,
  },
  'a second response follows the first one': {
    answer: sends((stream) => Buffer.concat([responseHead(stream), respond(stream, type, manifest.bytes)])),
    ...malformed,
  },
  'another stream responds': { answer: sends((stream) => respond(stream + 2, type, manifest.bytes)), ...malformed },
  'a frame is too large': {
    answer: sends((stream) =>
      Buffer.concat([responseHead(stream), frame('DATA', END_STREAM, stream, Buffer.alloc(20_000, ' '))]),
    ),
    // Node sends GOAWAY, but emits no event before the server closes the connection.
    ...silent,
  },
  'the window of the stream grows by 0': { answer: sends((stream) => windowUpdate(stream, 0)), ...malformed },
  'the window of the session grows by 0': { answer: sends(() => windowUpdate(0, 0)), ...malformed },
  'a window is too large': { answer: sends(() => windowUpdate(0, 2 ** 31 - 1)), ...malformed },
  'the server pushes a response': { answer: sends((stream) => push(stream, 2)), ...malformed },
  'the server pushes responses without having accepted the settings': {
    acknowledges: false,
    answer: sends((stream) =>
      Buffer.concat([2, 4].flatMap((pushed) => [push(stream, pushed), respond(pushed, type, manifest.bytes)])),
    ),
    ...silent,
  },
  'the server resets a stream that does not exist': { answer: sends(() => reset(99, 8)), ...malformed },
  'the headers are too large': {
    answer: sends((stream) =>
      Buffer.concat([
        frame('HEADERS', 0, stream, block({ ':status': 200, ...type, 'x-long': 'x'.repeat(15_000) })),
        frame('CONTINUATION', END_HEADERS, stream, block({ 'x-more': 'x'.repeat(9000) })),
        frame('DATA', END_STREAM, stream, manifest.bytes),
      ]),
    ),
    code: 'NETWORK',
    message: '(HPE_HEADER_OVERFLOW)',
  },
};

/** Announces a response on the stream `pushed`. */
function push(stream: number, pushed: number): Buffer {
  const request = block({ ':method': 'GET', ':scheme': 'https', ':authority': '127.0.0.1', ':path': '/v2/' });
  return frame('PUSH_PROMISE', END_HEADERS, stream, Buffer.concat([numbers(pushed), request]));
}

/** Frames that never end. */
const floods: Readonly<Record<string, Fault>> = {
  'headers never end': {
    answer: (stream, socket) => {
      socket.write(frame('HEADERS', 0, stream, block({ ':status': 200 })));
      flood(socket, frame('CONTINUATION', 0, stream, block({ 'x-long': 'x'.repeat(1000) })));
    },
    ...malformed,
  },
  'empty continuations of headers never end': {
    answer: (stream, socket) => {
      socket.write(frame('HEADERS', 0, stream, block({ ':status': 200 })));
      flood(socket, frame('CONTINUATION', 0, stream));
    },
    ...malformed,
  },
  'informational responses never end': {
    answer: endless((stream) => frame('HEADERS', END_HEADERS, stream, block({ ':status': 103 }))),
    ...malformed,
  },
  'permissions to continue never end': {
    answer: endless((stream) => frame('HEADERS', END_HEADERS, stream, block({ ':status': 100 }))),
    ...malformed,
  },
  'settings never end': { answer: endless(() => settings({ maxConcurrentStreams: 100 })), ...malformed },
  'pings never end': { answer: endless(() => frame('PING', 0, 0, Buffer.alloc(8))), ...malformed },
  'origins never end': {
    answer: endlessly((_stream, at) => frame('ORIGIN', 0, 0, origins(at))),
    ...malformed,
  },
  'updates of the window never end': { answer: endless((stream) => windowUpdate(stream, 1)), ...silent },
  'priorities never end': { answer: endless((stream) => frame('PRIORITY', 0, stream, Buffer.alloc(5))), ...silent },
  'frames of an unknown type never end': {
    answer: endless((stream) => frame('UNKNOWN', 0, stream, Buffer.alloc(1000))),
    ...silent,
  },
  'resets of the stream never end': {
    answer: (stream, socket) => {
      socket.write(Buffer.concat([responseHead(stream), reset(stream, 8)]));
      flood(socket, reset(stream, 8));
    },
    ...cut,
  },
  'pushes never end': {
    acknowledges: false,
    answer: endlessly((stream, at) => push(stream, 2 * at + 2)),
    ...silent,
  },
  'empty data never ends': {
    answer: (stream, socket) => {
      socket.write(responseHead(stream));
      flood(socket, frame('DATA', 0, stream));
    },
    ...malformed,
  },
  'the body never ends': {
    answer: thenHalf((stream, socket) => flood(socket, frame('DATA', 0, stream, Buffer.alloc(16_000, ' ')))),
    code: 'DOCUMENT_INVALID',
    message: 'is longer than',
  },
};

/** The payload of an ORIGIN frame with 400 origins that no other frame has. */
function origins(at: number): Buffer {
  const entries = Array.from({ length: 400 }, (_, index) => Buffer.from(`https://${at}-${index}.example`));
  return Buffer.concat(entries.flatMap((entry) => [Buffer.of(0, entry.length), entry]));
}

/** Faults while a manifest is written. */
const writes: Readonly<Record<string, Fault>> = {
  'the server never reads the request': {
    first: settings({ initialWindowSize: 0 }),
    answer: silence,
    ...silent,
    writes: true,
  },
  'the server reads the request byte by byte': {
    first: settings({ initialWindowSize: 0 }),
    begin: (stream, socket) => {
      const timer = setInterval(() => socket.write(windowUpdate(stream, 1)), 50);
      socket.once('close', () => clearInterval(timer));
    },
    answer: silence,
    ...silent,
    writes: true,
  },
  'the server answers a request only after its end, which it does not permit': {
    begin: (stream, socket) => socket.write(windowUpdate(stream, 1)),
    answer: found,
    ...silent,
    writes: true,
  },
  'the stream is reset while the request is sent': {
    begin: sends((stream) => reset(stream, 8)),
    answer: silence,
    ...cut,
    writes: true,
  },
  'the connection is closed while the request is sent': {
    begin: (_stream, socket) => socket.end(),
    answer: silence,
    ...cut,
    writes: true,
  },
};

export const faults: Readonly<Record<string, Fault>> = {
  ...startsOfReads,
  ...beforeWrites,
  ...cuts,
  ...violations,
  ...floods,
  ...writes,
};

/** Accepts a write. */
export const created: Answer = (stream, socket) =>
  socket.write(frame('HEADERS', END_HEADERS | END_STREAM, stream, block({ ':status': 201 })));

/** What a server does with the first of the PUTs, whose bodies are longer than its window. */
interface Interruption {
  /** When the headers have arrived. */
  readonly begin?: Answer;
  /** When the whole request has arrived. */
  readonly answer?: Answer;
  /** The number of requests that the server receives. */
  readonly sent: number;
  readonly fails?: boolean;
}

const all = 2 ** 31 - 1;
/** Lets the whole request arrive. */
export const readAll: Answer = (stream, socket) =>
  socket.write(Buffer.concat([windowUpdate(stream, 100_000), windowUpdate(0, 100_000)]));

export const interruptedWrites: Readonly<Record<string, Interruption>> = {
  'the stream is refused in the PUT': { begin: (stream, socket) => socket.write(reset(stream, 7)), sent: 2 },
  'the stream is refused after the PUT': {
    begin: readAll,
    answer: (stream, socket) => socket.write(reset(stream, 7)),
    sent: 2,
  },
  'the session is closed in the PUT, which is not processed': {
    begin: (_stream, socket) => socket.write(goaway(0)),
    sent: 2,
  },
  'the session is closed with an error in the PUT, which is not processed': {
    begin: (_stream, socket) => socket.end(goaway(0, 11)),
    sent: 2,
  },
  'the session is closed in two steps, and the PUT is not processed': {
    begin: (_stream, socket) => socket.end(Buffer.concat([goaway(all), goaway(0)])),
    sent: 2,
  },
  'the session is closed in the PUT, which may be processed': {
    begin: (stream, socket) => socket.end(goaway(stream)),
    sent: 1,
    fails: true,
  },
  'the session is closed after the PUT, which may be processed': {
    begin: readAll,
    answer: (stream, socket) => socket.end(goaway(stream)),
    sent: 1,
    fails: true,
  },
  'the session is closed in the PUT, and a later one may be processed': {
    begin: (stream, socket) => socket.end(goaway(stream + 2)),
    sent: 1,
    fails: true,
  },
  'the session is closed with an error in the PUT, which may be processed': {
    begin: (stream, socket) => socket.end(goaway(stream, 2)),
    sent: 1,
    fails: true,
  },
  'the session is closed in the PUT, which is then processed': {
    begin: (stream, socket) => {
      socket.write(goaway(stream));
      readAll(stream, socket);
    },
    answer: created,
    sent: 1,
  },
  'the stream is cancelled in the PUT': {
    begin: (stream, socket) => socket.write(reset(stream, 8)),
    sent: 1,
    fails: true,
  },
  'the response comes before the end of the PUT': { begin: created, sent: 1 },
  'the response comes before the end of the PUT, and the stream is then reset without an error': {
    begin: (stream, socket) => {
      created(stream, socket);
      socket.write(reset(stream, 0));
    },
    sent: 1,
  },
};

/** The exit codes of the faults. */
export const exitCodes = { NETWORK: 7, TIMEOUT: 7, DOCUMENT_INVALID: 3, REGISTRY: 7 } as const;
