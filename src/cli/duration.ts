import { MlistError } from '../index.ts';

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** The longest time that a timer can wait. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * Milliseconds of `500ms`, `30s`, `1.5m`, `2h`; a bare number is seconds.
 * @throws MlistError `ERR_MLIST_USAGE` naming the option
 */
export function parseDuration(text: string, option: string): number {
  const [, digits, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text) ?? [];
  const milliseconds = Number(digits) * (units[unit] ?? 1);
  if (milliseconds > 0 && milliseconds <= LONGEST_MS) return milliseconds;
  throw new MlistError('ERR_MLIST_USAGE', `${option} takes a time such as 30s or 10m, not ${JSON.stringify(text)}`);
}
