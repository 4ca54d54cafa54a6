import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { getOrCreate, SingleFlight } from '../../src/async/single-flight.ts';

interface Task {
  readonly work: () => Promise<string>;
  readonly succeed: (value: string) => void;
  readonly fail: (message: string) => void;
  /** Number of times the work was started. */
  starts: number;
}

/** Work that ends when the test ends it, or when its signal is aborted. */
function task(signal?: AbortSignal): Task {
  const ends: { resolve: (value: string) => void; reject: (error: Error) => void }[] = [];
  const task: Task = {
    starts: 0,
    work: () =>
      new Promise((resolve, reject) => {
        task.starts += 1;
        ends.push({ resolve, reject });
        signal?.addEventListener('abort', () => reject(signal.reason as Error));
      }),
    succeed: (value) => ends.at(-1)?.resolve(value),
    fail: (message) => ends.at(-1)?.reject(new Error(message)),
  };
  return task;
}

describe('SingleFlight', () => {
  test('runs the work once for concurrent callers with the same key', async () => {
    const flights = new SingleFlight<string>();
    const [first, second, other] = [task(), task(), task()];
    const both = Promise.all([flights.run('a', first.work), flights.run('a', second.work)]);
    const apart = flights.run('b', other.work);
    first.succeed('first');
    other.succeed('other');
    await expect(both).resolves.toEqual(['first', 'first']);
    await expect(apart).resolves.toBe('other');
    expect([first.starts, second.starts, other.starts]).toEqual([1, 0, 1]);
  });

  test('runs the work again after it has ended', async () => {
    const flights = new SingleFlight<string>();
    const work = task();
    const once = flights.run('a', work.work);
    expect(flights.get('a')).toBeDefined();
    work.succeed('once');
    await once;
    expect(flights.get('a')).toBeUndefined();
    const again = flights.run('a', work.work);
    work.succeed('again');
    await expect(again).resolves.toBe('again');
    expect(work.starts).toBe(2);
  });

  test('shares a failure, and starts again for the next caller', async () => {
    const flights = new SingleFlight<string>();
    const [first, second] = [task(), task()];
    const both = Promise.allSettled([flights.run('a', first.work), flights.run('a', second.work)]);
    first.fail('broken');
    expect((await both).map((result) => result.status)).toEqual(['rejected', 'rejected']);
    expect(second.starts).toBe(0);
    const next = flights.run('a', second.work);
    second.succeed('fine');
    await expect(next).resolves.toBe('fine');
  });

  test('starts the work of another caller if the first caller is cancelled', async () => {
    const flights = new SingleFlight<string>();
    const cancelled = new AbortController();
    const [first, second, third] = [task(cancelled.signal), task(), task()];
    const started = flights.run('a', first.work, cancelled.signal);
    const waiting = Promise.all([flights.run('a', second.work), flights.run('a', third.work)]);
    cancelled.abort(new Error('cancelled'));
    await expect(started).rejects.toThrow('cancelled');
    await turn();
    second.succeed('second');
    await expect(waiting).resolves.toEqual(['second', 'second']);
    expect([first.starts, second.starts, third.starts]).toEqual([1, 1, 0]);
  });

  test('ends the wait of a cancelled caller, but not the work', async () => {
    const flights = new SingleFlight<string>();
    const cancelled = new AbortController();
    const [first, second] = [task(), task()];
    const started = flights.run('a', first.work);
    const waiting = flights.run('a', second.work, cancelled.signal);
    cancelled.abort(new Error('cancelled'));
    await expect(waiting).rejects.toThrow('cancelled');
    await expect(flights.run('a', second.work, cancelled.signal)).rejects.toThrow('cancelled');
    first.succeed('first');
    await expect(started).resolves.toBe('first');
    expect(second.starts).toBe(0);
  });

  test('lets each caller try its own work if failures are not shared', async () => {
    const flights = new SingleFlight<string>({ sharesFailures: false });
    const [first, second, third] = [task(), task(), task()];
    const started = flights.run('a', first.work);
    const waiting = Promise.all([flights.run('a', second.work), flights.run('a', third.work)]);
    first.fail('broken');
    await expect(started).rejects.toThrow('broken');
    await turn();
    second.succeed('second');
    await expect(waiting).resolves.toEqual(['second', 'second']);
    expect([first.starts, second.starts, third.starts]).toEqual([1, 1, 0]);
  });
});

describe('getOrCreate', () => {
  test('remembers results and failures', async () => {
    const map = new Map<string, Promise<string>>();
    const [good, bad] = [task(), task()];
    const read = () => Promise.allSettled([getOrCreate(map, 'good', good.work), getOrCreate(map, 'bad', bad.work)]);
    const first = read();
    good.succeed('fine');
    bad.fail('broken');
    expect(await read()).toEqual(await first);
    expect((await first).map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect([good.starts, bad.starts]).toEqual([1, 1]);
  });

  test('remembers undefined', () => {
    const map = new Map<string, string | undefined>();
    let calls = 0;
    const create = (): undefined => void (calls += 1);
    expect([getOrCreate(map, 'a', create), getOrCreate(map, 'a', create)]).toEqual([undefined, undefined]);
    expect(calls).toBe(1);
  });
});
