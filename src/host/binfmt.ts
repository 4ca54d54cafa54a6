import type { Handler } from './host-facts.ts';

/** The number of bytes at the start of a file that the kernel compares with magic numbers (BINPRM_BUF_SIZE). */
const HEADER_BYTES = 256;

/**
 * Parses the description of a handler in /proc/sys/fs/binfmt_misc/NAME (fs/binfmt_misc.c, entry_status).
 * @returns undefined if the handler matches file name extensions, or if the text is invalid
 */
export function parseHandler(name: string, text: string): Handler | undefined {
  const [state, ...lines] = text.split('\n');
  const fields = new Map(lines.map(splitField));
  const magic = bytesOf(fields.get('magic'));
  const mask = bytesOf(fields.get('mask'));
  const offset = /^\d+$/.test(fields.get('offset') ?? '') ? Number(fields.get('offset')) : Number.NaN;
  if ((state !== 'enabled' && state !== 'disabled') || magic === undefined || magic.length === 0) return undefined;
  if (!(offset + magic.length <= HEADER_BYTES)) return undefined;
  if (fields.has('mask') && mask?.length !== magic.length) return undefined;
  return {
    name,
    isEnabled: state === 'enabled',
    interpreter: fields.get('interpreter') ?? '',
    flags: fields.get('flags') ?? '',
    offset,
    magic,
    ...(mask === undefined ? {} : { mask }),
  };
}

/** Splits `offset 0` or `flags: OCF` into name and value. */
function splitField(line: string): readonly [string, string] {
  const at = line.indexOf(' ');
  return at < 0 ? [line.replace(/:$/, ''), ''] : [line.slice(0, at).replace(/:$/, ''), line.slice(at + 1).trim()];
}

function bytesOf(digits: string | undefined): Uint8Array | undefined {
  if (digits === undefined || !/^(?:[0-9a-f]{2})+$/i.test(digits)) return undefined;
  return Buffer.from(digits, 'hex');
}

/** Whether the magic number of a handler matches a file header (fs/binfmt_misc.c). Disabled handlers match, too. */
export function matchesHandler({ offset, magic, mask }: Handler, header: Uint8Array): boolean {
  return magic.every((byte, at) => (((header[offset + at] ?? 0) ^ byte) & (mask?.[at] ?? 0xff)) === 0);
}
