import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { CliHarness, type Ran } from './cli-harness.ts';

/** Commands that run beside the folder that the workspace lies in, and a registry with a new repository for each test. */
export let registry: RunningRegistry;
export let world: CliHarness;
/** Where the command runs. */
export let here: string;
/** Of this test alone, in the registry. */
export let repository: string;
/** The tag `v1` in it. */
export let list: string;

let rounds = 0;

/** Makes all that anew for each test of the file; the registry lasts for all of them. */
export function workElsewhere(): void {
  beforeAll(async () => {
    registry = await startRegistry();
  });
  afterAll(() => registry.close());
  beforeEach(async () => {
    world = await CliHarness.make();
    here = join(world.folder, 'ci', 'job');
    repository = `elsewhere/r${(rounds += 1)}`;
    list = `${registry.host}/${repository}:v1`;
    await mkdir(here, { recursive: true });
  });
}

export const run = (...args: readonly string[]): Promise<Ran> => world.run(args, { cwd: here });
