/** A part of a blob: from `start` up to, not including, `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * What a Range header asks for (RFC 9110 section 14.2): `bytes=0-499`, `bytes=500-`, `bytes=-500`. Undefined for all of
 * it: where there is no header, or one that asks for several ranges or in another unit, which may be ignored.
 */
export function rangeOf(header: string | undefined, size: number): ByteRange | 'unsatisfiable' | undefined {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(header?.replaceAll(' ', '') ?? '') ?? [];
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined;
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size : Math.min(size, Number(last) + 1);
  return start < end ? { start, end } : 'unsatisfiable';
}

/** A chunk's place in an upload, `0-499` (distribution-spec v1.1.1 "Pushing a blob in chunks"). */
export function chunkRangeOf(header: string): ByteRange | undefined {
  const [, first, last] = /^(\d{1,15})-(\d{1,15})$/.exec(header) ?? [];
  if (first === undefined || last === undefined || Number(last) < Number(first)) return undefined;
  return { start: Number(first), end: Number(last) + 1 };
}
