// The environment of the tests: that of Jest for Node, with two changes that save time.
import { AsyncLocalStorage } from 'node:async_hooks';
import { TestEnvironment } from 'jest-environment-node';

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

let shared;

/** One environment for all suites of a worker, which share the modules of the package (`test-runtime.cjs`). */
export default class extends TestEnvironment {
  #exit;

  constructor(...args) {
    if (shared !== undefined) return shared;
    super(...args);
    shared = this;
    this.#exit = this.global.process.exit;
  }

  /** Removes what Jest adds for a suite. The base class would destroy the environment. */
  teardown() {
    delete this.global[Symbol.for('EVENT_HANDLERS')];
    this.global.process.exit = this.#exit;
    return Promise.resolve();
  }
}
