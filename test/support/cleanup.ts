import { afterEach } from '@jest/globals';

/** What a test opens, and what is closed after it, the last first. */
interface Closable {
  close(): Promise<void> | void;
}

const open: Closable[] = [];

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

/** Closes it after the test. */
export function cleanup<T extends Closable>(one: T): T {
  open.push(one);
  return one;
}
