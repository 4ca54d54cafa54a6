import { readFileSync } from 'node:fs';

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

/** The result of a function, or undefined if it throws. */
export function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
