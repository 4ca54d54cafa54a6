import { readFileSync, writeFileSync } from 'node:fs';

/** Reads test/golden/NAME, which has one JSON value per line. test/golden/README.md describes the source of each file. */
export function goldenLines<T>(name: string): readonly T[] {
  const text = readFileSync(new URL(`../golden/${name}`, import.meta.url), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as T);
}

export function goldenFile<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../golden/${name}`, import.meta.url), 'utf8')) as T;
}

/**
 * The text of test/golden/NAME, to compare with `actual`. With MLIST_UPDATE_GOLDEN=1 the file is written first, so that the
 * difference can be reviewed in the working tree.
 */
export function goldenText(name: string, actual: string): string {
  const file = new URL(`../golden/${name}`, import.meta.url);
  if (process.env['MLIST_UPDATE_GOLDEN'] === '1') writeFileSync(file, actual);
  return readFileSync(file, 'utf8');
}

/** The result of a function, or undefined if it throws. */
export function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
