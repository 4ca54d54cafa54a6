import { promisify } from 'node:util';
import { errorCode } from '../../../errors/errors.ts';
import { MAX_DOCUMENT_BYTES } from '../../../json/parse.ts';
import { bodyTooLong } from './response.ts';
import type { RegistryResponse } from '../request.ts';
import { mismatch } from '../blobs/verify-response.ts';

/** Returns the `content-encoding` of a body in lower case; undefined if the body is not encoded. */
export function encodingOf(headers: RegistryResponse['headers']): string | undefined {
  const encoding = headers['content-encoding']?.trim().toLowerCase() ?? '';
  return encoding === '' || encoding === 'identity' ? undefined : encoding;
}

/**
 * Decodes the body of a response. Some registries and proxies compress with gzip although the request asks for
 * `identity`.
 * @throws MlistError `ERR_MLIST_CONTENT_MISMATCH` if the encoding is not gzip, or the body cannot be decompressed;
 * `ERR_MLIST_DOCUMENT_INVALID` if the decompressed document is too large
 */
export async function decodedDocument(
  { headers, bytes }: Pick<RegistryResponse, 'headers' | 'bytes'>,
  subject: string,
): Promise<Uint8Array> {
  const encoding = encodingOf(headers);
  if (encoding === undefined) return bytes;
  if (encoding !== 'gzip' && encoding !== 'x-gzip')
    throw mismatch(subject, `was served with the encoding ${encoding.slice(0, 20)}, although none was requested`);
  const { gunzip } = await import('node:zlib');
  try {
    return await promisify(gunzip)(bytes, { maxOutputLength: MAX_DOCUMENT_BYTES });
  } catch (cause) {
    if (errorCode(cause) === 'ERR_BUFFER_TOO_LARGE') throw bodyTooLong(subject, MAX_DOCUMENT_BYTES);
    throw mismatch(subject, 'was served with the encoding gzip, but cannot be decompressed');
  }
}
