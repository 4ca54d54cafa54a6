import { request as requestHttp, type ClientRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as requestHttps } from 'node:https';
import { Http2Request } from './http2/http2-request.ts';
import type { Http2Slot } from './http2/http2-session.ts';

/**
 * Starts a request on an HTTP/2 stream, or with node:http or node:https. The request fails if the response has the
 * status 101, because mlist never asks to switch protocols (RFC 9110 section 15.2.2). Without the `upgrade` listener,
 * Node would close the connection without an error.
 * @param slot - the HTTP/2 stream; default: the request uses HTTP/1.1
 */
export function startRequest(
  url: URL,
  options: RequestOptions,
  slot: Http2Slot | undefined,
  onResponse?: (response: IncomingMessage) => void,
): ClientRequest {
  // The cast is safe: `Http2Request` implements all members of `ClientRequest` that `got` and `sendStream` use.
  if (slot !== undefined) return new Http2Request(slot, url, options) as unknown as ClientRequest;
  const start = url.protocol === 'https:' ? requestHttps : requestHttp;
  const request = start(url, options, onResponse);
  request.once('upgrade', (_response, socket) => {
    socket.destroy();
    // Node has detached the socket, so an error of the socket would not reach the request.
    request.emit('error', Object.assign(new Error('the server switched protocols (status 101)'), { code: 'HTTP_101' }));
  });
  return request;
}
