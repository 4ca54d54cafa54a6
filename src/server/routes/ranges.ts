/** A range of bytes from `start` to `end` (exclusive). */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * Parses a Range header (RFC 9110 section 14.2): `bytes=0-499`, `bytes=500-`, `bytes=-500`. Returns `unsatisfiable` if
 * the range contains no bytes of the content. Returns undefined if there is no header, or if the header is invalid or
 * has several ranges or another unit: a server may ignore such a header and send the whole content.
 */
export function parseRange(header: string | undefined, size: number): ByteRange | 'unsatisfiable' | undefined {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(header?.replaceAll(' ', '') ?? '') ?? [];
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined;
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size : Math.min(size, Number(last) + 1);
  return start < end ? { start, end } : 'unsatisfiable';
}

/**
 * Parses the Content-Range of a chunk, such as `0-499` (distribution-spec v1.1.1 "Pushing a blob in chunks"). Returns
 * undefined if it is invalid.
 */
export function parseChunkRange(header: string): ByteRange | undefined {
  const [, first, last] = /^(\d{1,15})-(\d{1,15})$/.exec(header) ?? [];
  if (first === undefined || last === undefined || Number(last) < Number(first)) return undefined;
  return { start: Number(first), end: Number(last) + 1 };
}
