import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { World } from '../support/world.ts';

/** How times are written, as Go's tools take them, and how they are told. */
const sockets: Socket[] = [];
let silent: Server;
let host: string;
beforeAll(async () => {
  silent = createServer((socket) => sockets.push(socket));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  host = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
});
afterAll(() => {
  for (const socket of sockets) socket.destroy();
  silent.close();
});

describe('a deadline that passes is told with its unit', () => {
  test.each([
    ['0.2', '200ms'],
    ['1', '1s'],
    ['300ms', '300ms'],
    ['0h0m0.4s', '400ms'],
    ['1s200ms', '1.2s'],
  ])('%s', async (time, told) => {
    const ran = await (await World.make()).run(['tags', `${host}/team/app`, '--deadline', time]);
    expect([ran.code, ran.stderr]).toEqual([7, expect.stringMatching(`not done within ${told}[:\\n]`)]);
  });
});

describe('a time', () => {
  const told = (time: string) => `--deadline takes a time, such as 30s, 10m or 1h30m, not ${JSON.stringify(time)}`;
  const stopped = AbortSignal.abort(new Error('enough'));

  test.each(['1h30m', '1m30s', '1.5h', '90', '1h0m0s', '596h'])('may be %s', async (time) => {
    const world = await World.make({ signal: stopped });
    const ran = await world.run(['tags', `${host}/team/app`, '--deadline', time]);
    expect(ran.stderr).toContain('enough');
  });

  test.each(['soon', '', '0', '0s', '1h30', '1h 30m', '1d', 'h', '1..5s', '1e3s'])('may not be "%s"', async (time) => {
    const ran = await (await World.make()).run(['tags', `${host}/team/app`, '--deadline', time]);
    expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining(told(time))]);
  });

  test('has an end', async () => {
    const ran = await (await World.make()).run(['tags', `${host}/team/app`, '--deadline', '600h']);
    expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining('takes a time, at most 596h31m23.647s, not')]);
  });
});
