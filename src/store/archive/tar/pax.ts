import { invalidHeader } from './tar-header.ts';

/**
 * The values that a pax header sets for the next entry (POSIX.1-2017 pax, "pax Extended Header"), as far as mlist uses
 * them.
 */
export interface PaxRecords {
  readonly path?: string;
  readonly linkpath?: string;
  readonly size?: number;
}

/**
 * Reads the path, link path and size from records of the form `LENGTH KEY=VALUE\n`. Other records, such as times and
 * owners, are ignored.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if a record is damaged, or if the header is for a sparse file of GNU
 * tar
 */
export function readPax(bytes: Uint8Array): PaxRecords {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length;) {
    const { key, value, end } = readRecord(bytes, at);
    if (key.startsWith('GNU.sparse.')) throw invalidHeader('it contains a sparse file, which is not supported');
    if (value === '') records.delete(key);
    else records.set(key, value);
    at = end;
  }
  const [path, linkpath, size] = [records.get('path'), records.get('linkpath'), records.get('size')];
  return {
    ...(path === undefined ? {} : { path }),
    ...(linkpath === undefined ? {} : { linkpath }),
    ...(size === undefined ? {} : { size: readSize(size) }),
  };
}

interface PaxRecord {
  readonly key: string;
  readonly value: string;
  readonly end: number;
}

function readRecord(bytes: Uint8Array, at: number): PaxRecord {
  const space = bytes.indexOf(0x20, at);
  const digits = Buffer.from(bytes.subarray(at, space < 0 ? at : Math.min(space, at + 8))).toString('latin1');
  const end = at + Number(digits);
  const isComplete = /^[1-9]\d*$/.test(digits) && space > at && end > space && end <= bytes.length;
  if (!isComplete || bytes[end - 1] !== 0x0a) throw invalidHeader('a pax header is damaged');
  const text = Buffer.from(bytes.subarray(space + 1, end - 1)).toString('utf8');
  const equals = text.indexOf('=');
  if (equals < 1) throw invalidHeader('a pax header is damaged');
  const value = text.slice(equals + 1);
  if (value.includes('\0')) throw invalidHeader('a pax header contains a NUL character');
  return { key: text.slice(0, equals), value, end };
}

function readSize(text: string): number {
  const size = /^(?:0|[1-9]\d{0,15})$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(size)) return size;
  throw invalidHeader(`a pax header has the invalid size ${JSON.stringify(text.slice(0, 40))}`);
}
