import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from '@jest/globals';
import { isLong } from './long.ts';
import { checkout } from './mlist.ts';

/** The single executable that `npm run build:binary` has built for a platform, such as `linux-x64`. */
export const executableFor = (platform: string): string => join(checkout, 'build', platform, 'mlist');

/**
 * Tests of executables, in the long versions of suites only. If one of them is not built, the tests are skipped, and their
 * title states the reason.
 */
export function describeExecutables(
  title: string,
  platforms: readonly string[],
  tests: (executables: readonly string[]) => void,
  reasonToSkip?: string,
): void {
  const executables = platforms.map(executableFor);
  const missing = platforms.find((platform, at) => !existsSync(executables[at] ?? platform));
  const reason =
    reasonToSkip ??
    (isLong ? undefined : 'part of npm run test:long') ??
    (missing === undefined ? undefined : `npm run build:binary -- --platform ${missing} has not been run`);
  if (reason === undefined) describe(title, () => tests(executables));
  else describe.skip(`${title} (skipped: ${reason})`, () => tests(executables));
}
