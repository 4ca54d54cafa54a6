import { describe, expect, test } from '@jest/globals';
import { Limiter } from '../../src/async/limiter.ts';

/** Starts a task for each weight. @returns which of them run, and functions that end them */
function started(limiter: Limiter, weights: readonly number[]) {
  const running = new Set<number>();
  const ends = weights.map((weight, at) => {
    let end: () => void = () => undefined;
    const ended = new Promise<void>((resolve) => (end = resolve));
    const task = async () => {
      running.add(at);
      await ended;
      running.delete(at);
    };
    const done = limiter.run(task, weight);
    return async () => {
      end();
      await done;
    };
  });
  const settledTasks = async () => {
    await settled();
    return [...running];
  };
  return { running: settledTasks, end: (at: number) => ends[at]!() };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('a limit', () => {
  test('applies to the number of tasks', async () => {
    const { running, end } = started(new Limiter(2), [1, 1, 1, 1]);
    expect(await running()).toEqual([0, 1]);
    await end(0);
    expect(await running()).toEqual([1, 2]);
  });

  test('applies to the sum of the weights', async () => {
    const { running, end } = started(new Limiter(10), [4, 4, 4, 0, 2]);
    // A later task does not overtake the third one, although it would fit.
    expect(await running()).toEqual([0, 1]);
    await end(1);
    expect(await running()).toEqual([0, 2, 3, 4]);
  });

  test('can be raised', async () => {
    const limiter = new Limiter(1);
    const { running } = started(limiter, [1, 1, 1, 1]);
    limiter.raise(3);
    limiter.raise(2);
    expect(await running()).toEqual([0, 1, 2]);
  });
});
