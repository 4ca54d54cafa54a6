import { beforeAll, test } from '@jest/globals';
import { Limiter } from '../../src/async/limiter.ts';

/** Tests that run at a time. */
const MAX_CONCURRENT = 6;

/**
 * Returns a function that defines a test. The tests run concurrently in a `beforeAll` hook, and each reports its own result.
 * Meant for tests that wait more than they compute, and that share nothing but servers. The hooks that they need must be
 * defined before the call. (Jest's own `test.concurrent` refuses the lazy imports of a test when another one has ended.)
 */
export function concurrentTests(): (name: string, run: () => Promise<void>) => void {
  const limiter = new Limiter(MAX_CONCURRENT);
  const runs: (() => Promise<void>)[] = [];
  let ended: readonly Promise<void>[] = [];
  beforeAll(async () => {
    ended = runs.map((run) => limiter.run(run));
    await Promise.allSettled(ended);
  });
  return (name, run) => {
    const at = runs.push(run) - 1;
    test(name, () => ended[at]);
  };
}
