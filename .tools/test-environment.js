import { AsyncLocalStorage } from 'node:async_hooks';

/**
 * Jest records which test runs in an AsyncLocalStorage of each suite, and never disables it. Before Node 24 this makes every
 * promise and socket slower, and more so with each suite of a worker. Without the record, Jest attributes an uncaught error
 * to the test that runs at that moment.
 */
const { run } = AsyncLocalStorage.prototype;
const isRecord = (store) => typeof store === 'object' && store !== null && ('test' in store || 'hook' in store);
AsyncLocalStorage.prototype.run = function (store, callback, ...args) {
  return isRecord(store) ? callback(...args) : run.call(this, store, callback, ...args);
};

export { TestEnvironment as default } from 'jest-environment-node';
