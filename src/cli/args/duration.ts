import { MlistError } from '../../errors/errors.ts';
import type { ParsedArguments } from './command-declaration.ts';

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** The longest delay that timers in Node support, in milliseconds. */
const LONGEST_MS = 2 ** 31 - 1;

/** A subset of the syntax of Go's `time.ParseDuration`, down to milliseconds. A number without a unit is also valid. */
const grammar = /^(?:\d+(?:\.\d+)?|(?:\d+(?:\.\d+)?(?:ms|s|m|h))+)$/;

/**
 * Converts a duration such as `500ms`, `30s`, `1.5m` or `1h30m` to milliseconds. A number without a unit is in seconds.
 * @param option - the name of the option, for the error
 * @param least - the minimum in milliseconds
 * @throws MlistError `ERR_MLIST_USAGE` if the text is not a duration, or the duration is too short or too long
 */
export function parseDuration(text: string, option: string, least: 0 | 1 = 1): number {
  const parts = grammar.test(text) ? [...text.matchAll(/([\d.]+)(ms|s|m|h)?/g)] : [];
  const milliseconds = parts.reduce((sum, [, digits, unit = 's']) => sum + Number(digits) * (units[unit] ?? 1), 0);
  if (parts.length > 0 && milliseconds >= least && milliseconds <= LONGEST_MS) return milliseconds;
  const expected = expectedDuration(parts.length > 0 ? milliseconds : undefined);
  throw new MlistError('ERR_MLIST_USAGE', `${option} takes a duration ${expected}, not ${JSON.stringify(text)}`);
}

/**
 * Returns the end of the error message: which durations are accepted.
 * @param milliseconds - the refused duration. Undefined if the text is not a duration
 */
function expectedDuration(milliseconds: number | undefined): string {
  if (milliseconds === undefined) return 'such as 30s, 10m or 1h30m';
  return milliseconds > LONGEST_MS ? `of at most ${formatDuration(LONGEST_MS)}` : 'of at least 1ms';
}

/** Returns the value of `--wait` or `--wait-for-source` in milliseconds, or 0 if the option is not given. */
export function waitTime(args: ParsedArguments, name: 'wait' | 'wait-for-source'): number {
  const text = args.text(name);
  return text === undefined ? 0 : parseDuration(text, `--${name}`, 0);
}

/** Formats milliseconds with units: `500ms`, `2s`, `1h30m`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${milliseconds}ms`;
  const seconds = milliseconds / 1000;
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const parts = [
    [hours, 'h'],
    [minutes, 'm'],
    [Number(rest.toFixed(3)), 's'],
  ] as const;
  return parts.flatMap(([count, unit]) => (count === 0 ? [] : [`${count}${unit}`])).join('');
}
