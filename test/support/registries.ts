import { describe } from '@jest/globals';
import { startRegistry } from '../../src/server/start-registry.ts';
import { programPath, startDockerRegistry, type Registry } from './docker-registry.ts';

export type { Registry };

/** The registries that a suite runs on: the embedded one, in memory and in a folder, and a real one where there is one. */
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

/** Runs a suite on each registry; a real one that is not on this machine is skipped, and the report says so. */
export function describeOnRegistries(title: string, suite: (start: () => Promise<Registry>) => void): void {
  for (const { name, start } of kinds) {
    if (start === undefined)
      describe.skip(`${title}, on ${name} (not found on PATH)`, () => suite(() => Promise.reject(new Error(name))));
    else describe(`${title}, on ${name}`, () => suite(start));
  }
}
