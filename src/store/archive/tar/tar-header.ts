import { MlistError } from '../../../errors/errors.ts';

/**
 * A header block of a tar archive (POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar 1.35 manual, "Basic Tar
 * Format"). Three formats share this block of 512 bytes: v7, ustar with a name prefix, and GNU with its own magic.
 */
export interface TarHeader {
  readonly name: string;
  readonly type: TarType;
  /** Size of the content after the header, in bytes. */
  readonly size: number;
  readonly link: string;
}

/**
 * `pax`, `global` and GNU's `longName` and `longLink` are extension headers. `global` applies to all later entries; the
 * others apply to the next one.
 */
export type TarType = 'file' | 'folder' | 'symlink' | 'hardlink' | 'pax' | 'global' | 'longName' | 'longLink' | 'label';

export const BLOCK_BYTES = 512;

const types: Readonly<Record<string, TarType>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '5': 'folder',
  x: 'pax',
  X: 'pax',
  g: 'global',
  L: 'longName',
  K: 'longLink',
  V: 'label',
};

/** Unsupported entry types, and how error messages describe them. */
const unsupported: Readonly<Record<string, string>> = {
  '3': 'a character device',
  '4': 'a block device',
  '6': 'a named pipe',
  S: 'a sparse file',
};

/** Whether a block is all zeros. Two such blocks end an archive. */
export function isZeroBlock(block: Uint8Array): boolean {
  return block.every((byte) => byte === 0);
}

/**
 * Parses a header block.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if it is not a header, or its entry type is not supported
 */
export function readHeader(block: Uint8Array): TarHeader {
  if (!hasChecksum(block)) throw invalidHeader('it is damaged or not a tar archive: a header has a wrong checksum');
  const flag = String.fromCharCode(block[156] ?? 0);
  const name = nameOf(block);
  const kind = types[flag];
  if (kind === undefined) {
    const what = unsupported[flag] ?? `an entry of the unknown type ${JSON.stringify(flag)}`;
    throw invalidHeader(`${JSON.stringify(name)} is ${what}, which is not supported`);
  }
  const type = kind === 'file' && flag === '\0' && name.endsWith('/') ? 'folder' : kind;
  return { name, type, size: readNumber(block.subarray(124, 136), name), link: readText(block.subarray(157, 257)) };
}

/**
 * Whether the checksum of a header block is correct. The checksum is the sum of all bytes, with spaces in place of the
 * checksum field. Some old tools add the bytes as signed numbers.
 */
function hasChecksum(block: Uint8Array): boolean {
  const stated = /^[ \0]*([0-7]+)[ \0]*$/.exec(Buffer.from(block.subarray(148, 156)).toString('latin1'))?.[1];
  if (stated === undefined) return false;
  let unsigned = 0;
  let signed = 0;
  // Iterating with `for…of` would be about ten times slower, and an archive may have 200 000 headers.
  for (let at = 0; at < block.length; at += 1) {
    const counted = at >= 148 && at < 156 ? 0x20 : (block[at] ?? 0);
    unsigned += counted;
    signed += counted > 127 ? counted - 256 : counted;
  }
  const sum = Number.parseInt(stated, 8);
  return sum === unsigned || sum === signed;
}

/**
 * Returns the name of an entry. ustar splits a long name at a slash and stores the first part in the prefix field,
 * which GNU uses for times.
 */
function nameOf(block: Uint8Array): string {
  const name = readText(block.subarray(0, 100));
  const isUstar = Buffer.from(block.subarray(257, 263)).toString('latin1') === 'ustar\0';
  const prefix = isUstar ? readText(block.subarray(345, 500)) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

/** Returns the text of a field up to the first NUL. */
export function readText(field: Uint8Array): string {
  const end = field.indexOf(0);
  return Buffer.from(end < 0 ? field : field.subarray(0, end)).toString('utf8');
}

/** Reads a number: octal digits or, if the first bit is set, base 256 (GNU). */
function readNumber(field: Uint8Array, name: string): number {
  const first = field[0] ?? 0;
  if ((first & 0x80) !== 0) return readBase256(field, name);
  const text = Buffer.from(field).toString('latin1');
  const digits = /^ *([0-7]*)[ \0]*$/.exec(text)?.[1];
  if (digits === undefined)
    throw invalidHeader(`the size of ${JSON.stringify(name)} is not a number: ${JSON.stringify(text)}`);
  return digits === '' ? 0 : Number.parseInt(digits, 8);
}

function readBase256(field: Uint8Array, name: string): number {
  let value = BigInt((field[0] ?? 0) & 0x7f);
  for (const byte of field.subarray(1)) value = (value << 8n) | BigInt(byte);
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw invalidHeader(`the size of ${JSON.stringify(name)} is negative or too large`);
}

/** Creates the error for an invalid tar archive. `TarFile` adds the name of the file to the message. */
export function invalidHeader(reason: string): MlistError {
  return new MlistError('ERR_MLIST_DOCUMENT_INVALID', reason);
}
