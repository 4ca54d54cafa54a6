import { afterEach } from '@jest/globals';

/** Closes the resources of a test after it, in reverse order. */
interface Closable {
  close(): Promise<void> | void;
}

const open: Closable[] = [];

afterEach(async () => {
  for (const resource of open.splice(0).reverse()) await resource.close();
});

/** Registers a resource to be closed after the test, and returns it. */
export function cleanup<T extends Closable>(resource: T): T {
  open.push(resource);
  return resource;
}
