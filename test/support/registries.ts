import { describe } from '@jest/globals';
import { startRegistry } from '../../src/server/start-registry.ts';
import { programPath, startDockerRegistry, type Registry } from './docker-registry.ts';

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
  for (const { name, start } of kinds) {
    if (start === undefined)
      describe.skip(`${title}, on ${name} (not found on PATH)`, () => suite(() => Promise.reject(new Error(name))));
    else describe(`${title}, on ${name}`, () => suite(start));
  }
}
