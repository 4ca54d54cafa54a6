import type { Descriptor } from '../../../oci/descriptor.ts';
import type { RegistryRequest, RegistryResponse, SendRequest } from '../request.ts';
import type { Connection } from '../connection.ts';
import { HEAD_REFUSED } from '../http/retry.ts';

export interface BlobQuery {
  readonly connection: Connection;
  /** Sends the HEAD request. Default: `connection.request`. */
  readonly send?: SendRequest;
  readonly request: Pick<RegistryRequest, 'step' | 'target' | 'scopes' | 'signal'>;
  readonly descriptor: Descriptor;
}

/**
 * Requests the status (200 or 404) and the headers of a blob: by HEAD or, if HEAD is refused, by GET of the first byte.
 * If the status is 200, the `content-length` in the result is the size of the whole blob, or undefined if the registry
 * does not report the size.
 */
export async function queryBlob({
  connection,
  send = (request, maxBytes) => connection.request(request, maxBytes),
  request,
  descriptor,
}: BlobQuery): Promise<Pick<RegistryResponse, 'status' | 'headers'>> {
  const accept = [200, 404, ...HEAD_REFUSED];
  const head = await send({ ...request, method: 'HEAD', accept, isForBlob: true }, 0);
  if (head.status === 200 || head.status === 404) return head;
  const range = descriptor.size === 0 ? {} : { range: 'bytes=0-0' };
  const stream = await connection.open({ ...request, method: 'GET', headers: range, accept: [200, 206, 404] });
  stream.discard();
  const { status, headers } = stream;
  if (status !== 206) return { status, headers };
  const total = /\/(\d{1,15})$/.exec(headers['content-range'] ?? '')?.[1];
  return { status: 200, headers: { ...headers, 'content-length': total } };
}
