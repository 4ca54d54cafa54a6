import { describe } from '@jest/globals';
import { startRegistry } from '../../src/server/start-registry.ts';
import { programPath, startDockerRegistry, type Registry } from './docker-registry.ts';
import { isLong } from './long.ts';

export type { Registry };

/** The registries to run a suite on: the embedded one, and distribution's docker-registry if it is installed. */
interface Kind {
  readonly name: string;
  readonly start: (() => Promise<Registry>) | undefined;
}

const kinds: readonly Kind[] = [
  { name: 'the embedded registry', start: () => startRegistry() },
  {
    name: 'docker-registry',
    start: programPath('docker-registry') === undefined ? undefined : () => startDockerRegistry(),
  },
];

/** Runs a suite on each registry. Skips docker-registry if it is not installed; the test report shows this. */
export function describeOnRegistries(title: string, suite: (start: () => Promise<Registry>) => void): void {
  describeOn(kinds, title, suite);
}

/** Runs the long version of a suite on each registry, and the short version on the embedded one only. */
export function describeOnFirstRegistry(title: string, suite: (start: () => Promise<Registry>) => void): void {
  describeOn(isLong ? kinds : kinds.slice(0, 1), title, suite);
}

function describeOn(chosen: readonly Kind[], title: string, suite: (start: () => Promise<Registry>) => void): void {
  for (const { name, start } of chosen) {
    if (start === undefined)
      describe.skip(`${title}, on ${name} (not found on PATH)`, () => suite(() => Promise.reject(new Error(name))));
    else describe(`${title}, on ${name}`, () => suite(start));
  }
}
