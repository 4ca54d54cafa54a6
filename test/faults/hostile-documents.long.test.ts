import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { hostileDocuments } from '../support/hostile-input.ts';
import { isSampled } from '../support/long.ts';
import { runMlist } from '../support/mlist.ts';
import { temporaryFolder } from '../support/cli-harness.ts';

/** With a heap of 100 MiB, a process that needs more memory crashes. Each of these documents must be refused instead. */
const env = { NODE_OPTIONS: '--max-old-space-size=100', MLIST_WORKSPACE: '/nowhere' };

const documents = Object.entries(hostileDocuments);

describe('4 MiB of a hostile document', () => {
  const served = new Map<string, Buffer>();
  const server = createServer((request, response) => {
    const name = decodeURIComponent(request.url?.split('/').at(-1) ?? '').replaceAll('_', ' ');
    response.writeHead(200, { 'content-type': 'application/vnd.oci.image.index.v1+json' }).end(served.get(name));
  });
  beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  test.each(documents.filter((_, at) => isSampled(at, 7)))('%s, in a file', async (_name, text) => {
    const path = join(await temporaryFolder(), 'document.json');
    await writeFile(path, text());
    const { code, stdout } = await runMlist(['validate', path], env);
    expect(code).toBe(3);
    expect(stdout.split('\n').length).toBeLessThan(110);
  });

  test.each(documents.filter((_, at) => isSampled(at + 1, 7)))('%s, from a registry', async (name, text) => {
    served.set(name, Buffer.from(text()));
    const { port } = server.address() as AddressInfo;
    const { code, stdout } = await runMlist(
      ['create', 'x.io/a:b', `127.0.0.1:${port}/a:${name.replaceAll(/[ ,]+/g, '_')}`],
      env,
    );
    expect([code, stdout]).toEqual([3, '']);
  });
});
