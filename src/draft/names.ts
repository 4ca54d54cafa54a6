import { createHash } from '../oci/digest.ts';

/**
 * The file name of a draft: the canonical reference, percent-encoded. Different references have different names on every
 * file system, because upper-case letters and reserved device names of Windows are encoded too.
 */
const MAX_NAME = 200;
const PREFIX_LENGTH = 120;

/** Names that Windows reserves for devices, with any extension. */
const reserved = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?=\.|$)/;

export function fileNameOf(list: string): string {
  const encoded = Array.from(list, encode)
    .join('')
    .replace(reserved, (name) => encodeAlways(name.slice(0, 1)) + name.slice(1));
  if (encoded.length <= MAX_NAME) return encoded;
  return `${encoded.slice(0, PREFIX_LENGTH)}~${createHash('sha256').update(list).digest('hex')}`;
}

function encode(character: string): string {
  return /^[a-z0-9._-]$/.test(character) ? character : encodeAlways(character);
}

function encodeAlways(character: string): string {
  return [...Buffer.from(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');
}
