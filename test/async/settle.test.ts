import { expect, test } from '@jest/globals';
import { allOrErrors, settle } from '../../src/async/settle.ts';
import { MlistError } from '../../src/errors.ts';

const failure = (message: string): MlistError => new MlistError('ERR_MLIST_FILE', message);

test('settle separates results and failures, each in the order of the work', async () => {
  const work = [Promise.reject(failure('one')), Promise.resolve(1), Promise.reject(failure('two')), Promise.resolve(2)];
  const { values, failures } = await settle(work);
  expect(values).toEqual([1, 2]);
  expect(failures.map(({ message }) => message)).toEqual(['one', 'two']);
});

test('allOrErrors waits for all work, and reports all failures', async () => {
  let isDone = false;
  const slow = new Promise<void>((resolve) => setImmediate(resolve)).then(() => void (isDone = true));
  const work = allOrErrors([Promise.reject(failure('one')), slow, Promise.reject(failure('two'))], undefined);
  await expect(work).rejects.toMatchObject({ code: 'ERR_MLIST_FILE', message: 'one\ntwo' });
  expect(isDone).toBe(true);
});

test('allOrErrors reports an abort rather than the failures that follow from it', async () => {
  const controller = new AbortController();
  controller.abort(new Error('interrupted'));
  await expect(allOrErrors([Promise.reject(failure('one'))], controller.signal)).rejects.toThrow('interrupted');
});
