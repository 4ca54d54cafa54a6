import { request as requestHttp, type ClientRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as requestHttps } from 'node:https';

/**
 * Starts a request with node:http or node:https. A response that switches protocols fails the request, since mlist never
 * asks for it (RFC 9110 section 15.2.2). Node would close the connection without an error.
 */
export function startRequest(
  url: URL,
  options: RequestOptions,
  onResponse?: (response: IncomingMessage) => void,
): ClientRequest {
  const start = url.protocol === 'https:' ? requestHttps : requestHttp;
  const request = start(url, options, onResponse);
  request.once('upgrade', (_response, socket) => {
    socket.destroy();
    // Node has detached the request from the socket, so an error of the socket would not reach it.
    request.emit('error', Object.assign(new Error('the server switches protocols'), { code: 'HTTP_101' }));
  });
  return request;
}
