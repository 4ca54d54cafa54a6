import { MlistError } from '../../errors/errors.ts';

const units: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4,
  kb: 1000,
  mb: 1000 ** 2,
  gb: 1000 ** 3,
  tb: 1000 ** 4,
};

/**
 * Parses a size such as `500MB`, `10GiB`, `10g` or a number of bytes. The units k, m, g and t are powers of 1024, as in
 * docker.
 * @throws MlistError `ERR_MLIST_USAGE` if the text is not a size, or the size is too large
 */
export function parseSize(text: string, option: string): number {
  const [, digits, unit = ''] = /^(\d{1,15}(?:\.\d{1,9})?)\s?([A-Za-z]*)$/.exec(text) ?? [];
  const factor = units[unit.toLowerCase()];
  const size = digits === undefined || factor === undefined ? Number.NaN : Math.floor(Number(digits) * factor);
  if (Number.isSafeInteger(size)) return size;
  throw new MlistError(
    'ERR_MLIST_USAGE',
    `${option} takes a size such as 500MB or 10GiB, not ${JSON.stringify(text.slice(0, 40))}`,
  );
}

/**
 * Returns the value of an option unchanged.
 * @throws MlistError `ERR_MLIST_USAGE` if the value is 0
 */
export function atLeastOne(value: number | undefined, option: string): number | undefined {
  if (value !== 0) return value;
  throw new MlistError('ERR_MLIST_USAGE', `${option} must be at least 1`);
}
