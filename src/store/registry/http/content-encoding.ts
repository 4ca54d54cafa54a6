import { promisify } from 'node:util';
import { errorCode } from '../../../errors/errors.ts';
import { MAX_DOCUMENT_BYTES } from '../../../json/parse.ts';
import { bodyTooLong } from './response.ts';
import type { RegistryResponse } from '../request.ts';
import { mismatch } from '../blobs/verify-response.ts';

/** The `content-encoding` of a body; undefined if it is not encoded. */
export function encodingOf(headers: RegistryResponse['headers']): string | undefined {
  const encoding = headers['content-encoding']?.trim().toLowerCase() ?? '';
  return encoding === '' || encoding === 'identity' ? undefined : encoding;
}

/**
 * Decodes the body of a response. Some registries and proxies compress with gzip although the request asks for
 * `identity`.
 * @throws MlistError `ERR_MLIST_CONTENT_MISMATCH` for another encoding, `ERR_MLIST_DOCUMENT_INVALID` for a document
 * that is too large
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
