import { execFileSync } from 'node:child_process';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startRegistry } from '../../src/server/start-registry.ts';
import { answer, RecordingProxy, hang, reset } from '../support/recording-proxy.ts';
import { makeImage, pushImage, sha256 } from '../support/images.ts';
import { cleanup } from '../support/cleanup.ts';
import { withTimeLimit } from '../support/limits.ts';
import { openForReader } from '../support/pipes.ts';
import { CliHarness, type CliResult } from '../support/cli-harness.ts';

/** Durations in options and in messages, in the syntax of Go. */
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

describe('the error at the deadline prints the duration with its unit', () => {
  test.each([
    ['0.2', '200ms'],
    ['1', '1s'],
    ['300ms', '300ms'],
    ['0h0m0.4s', '400ms'],
    ['1s200ms', '1.2s'],
  ])('%s', async (time, duration) => {
    const result = await (await CliHarness.make()).run(['tags', `${host}/team/app`, '--deadline', time]);
    expect([result.code, result.stderr]).toEqual([
      7,
      expect.stringMatching(`the command did not finish within ${duration}[:\\n]`),
    ]);
  });
});

describe('the error at the deadline names pending operations', () => {
  /** Whether a running command reaches the step that waits. */
  type Reaches = (running: Promise<CliResult>) => Promise<boolean>;

  async function waitedFor(args: readonly string[], reaches: Reaches, cli?: CliHarness): Promise<string> {
    const { code, stderr } = await withTimeLimit(async (limit) => {
      const running = (cli ?? (await CliHarness.make())).run([...args, '--deadline', limit]);
      return (await reaches(running)) ? running : undefined;
    });
    expect(code).toBe(7);
    return /the command did not finish within \S+: still waiting to (.*)\nhint/.exec(stderr)?.[1] ?? stderr;
  }

  const receives =
    (proxy: RecordingProxy, isWaiting: (seen: RecordingProxy['requests'], stderr: string) => boolean): Reaches =>
    async (running) => {
      proxy.clear();
      const { stderr } = await running;
      return isWaiting(proxy.requests, stderr);
    };

  /** Whether a command with `--debug` has received the response. */
  const hasReceived = (stderr: string, status: number): boolean =>
    new RegExp(`^debug: \\S+ \\S+ ${status} `, 'm').test(stderr);

  const reads =
    (pipe: string): Reaches =>
    async (running) => {
      const writer = await openForReader(pipe, running);
      await running;
      await writer?.close();
      return writer !== undefined;
    };

  test('with the last response, if a request is retried', async () => {
    const proxy = cleanup(await RecordingProxy.start());
    proxy.on(/^/, answer(503, { 'retry-after': '30' }));
    const name = `${proxy.host}/team/app:v1`;
    const waited = await waitedFor(
      ['digest', name, '--debug'],
      receives(proxy, (_seen, stderr) => hasReceived(stderr, 503)),
    );
    expect(waited).toBe(`read ${name} (last response: HTTP 503, Retry-After: 30 s)`);
  });

  test('with the reason of a failed request', async () => {
    const proxy = cleanup(await RecordingProxy.start());
    proxy.on(/^/, reset);
    const name = `${proxy.host}/team/app:v1`;
    const args = ['digest', name, '--retries', '1000', '--plain-http', proxy.host];
    const waited = await waitedFor(
      args,
      receives(proxy, ({ length }) => length > 1),
    );
    expect(waited).toBe(`read ${name} (last response: none, ECONNRESET)`);
  });

  test('the token service first, because other steps wait for it', async () => {
    const proxy = cleanup(await RecordingProxy.start());
    proxy.on(/^/, answer(401, { 'www-authenticate': `Bearer realm="${proxy.url}/token",service="x"` }));
    proxy.on(/token/, hang);
    const name = `${proxy.host}/team/app:v1`;
    const waited = await waitedFor(
      ['digest', name],
      receives(proxy, (seen) => seen.some(({ path }) => path.includes('token'))),
    );
    expect(waited).toBe(`get a token from ${proxy.host}, read ${name}`);
  });

  test('the progress of an upload, and its last response', async () => {
    const registry = cleanup(await startRegistry());
    const image = makeImage({ layers: 1 });
    await pushImage(registry.url, 'app', 'v1', image);
    const proxy = cleanup(await RecordingProxy.start({ upstream: registry.url }));
    proxy.on(/^PUT/, hang);
    proxy.on(new RegExp(`^PUT .*${encodeURIComponent(sha256(image.blobs[1]!))}`), answer(503, { 'retry-after': '30' }));
    const uploads = receives(
      proxy,
      (seen, stderr) => seen.filter(({ method }) => method === 'PUT').length === 2 && hasReceived(stderr, 503),
    );
    const waited = await waitedFor(['copy', `${registry.host}/app:v1`, `${proxy.host}/copy:v1`, '--debug'], uploads);
    const upload = (blob: Buffer) => `upload ${proxy.host}/copy@${sha256(blob)} \\(\\d+ of ${blob.length} bytes sent`;
    const [config, layer] = image.blobs.map(upload);
    const lastResponse = 'last response: HTTP 503, Retry-After: 30 s';
    expect(waited).toMatch(new RegExp(`${layer}; ${lastResponse}\\), ${config}\\); no tag was changed$`));
  });

  let guarded: RecordingProxy;
  beforeAll(async () => {
    guarded = await RecordingProxy.start();
    guarded.on(/^/, answer(401, { 'www-authenticate': 'Basic realm="x"' }));
  });
  afterAll(() => guarded.close());

  (process.platform === 'linux' ? test.each : test.skip.each)([
    ['a file of specs', (pipe: string) => ['apply', '-f', pipe]],
    ['a file of sources', (pipe: string) => ['create', 'localhost:1/a', '-f', pipe]],
    ['certificates', (pipe: string) => ['digest', 'localhost:1/a', '--ca-file', pipe]],
    ['a file of logins', (pipe: string) => ['digest', `${guarded.host}/a`, '--authfile', pipe]],
  ])('%s that is a pipe', async (_name, args) => {
    const cli = await CliHarness.make();
    const pipe = join(cli.folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    expect(await waitedFor(args(pipe), reads(pipe), cli)).toContain(`read ${pipe}`);
  });
});

describe('a duration', () => {
  const messageFor = (time: string) =>
    `--deadline takes a duration such as 30s, 10m or 1h30m, not ${JSON.stringify(time)}`;
  const stopped = AbortSignal.abort(new Error('enough'));

  test.each(['1h30m', '1m30s', '1.5h', '90', '1h0m0s', '596h'])('may be %s', async (time) => {
    const cli = await CliHarness.make({ signal: stopped });
    const result = await cli.run(['tags', `${host}/team/app`, '--deadline', time]);
    expect(result.stderr).toContain('enough');
  });

  test.each(['soon', '', '1h30', '1h 30m', '1d', 'h', '1..5s', '1e3s'])('may not be "%s"', async (time) => {
    const result = await (await CliHarness.make()).run(['tags', `${host}/team/app`, '--deadline', time]);
    expect([result.code, result.stderr]).toEqual([2, expect.stringContaining(messageFor(time))]);
  });

  test.each(['0', '0s'])('may not be %s', async (time) => {
    const result = await (await CliHarness.make()).run(['tags', `${host}/team/app`, '--deadline', time]);
    const message = `--deadline takes a duration of at least 1ms, not "${time}"`;
    expect([result.code, result.stderr]).toEqual([2, expect.stringContaining(message)]);
  });

  test('has a maximum', async () => {
    const result = await (await CliHarness.make()).run(['tags', `${host}/team/app`, '--deadline', '600h']);
    expect([result.code, result.stderr]).toEqual([
      2,
      expect.stringContaining('takes a duration of at most 596h31m23.647s, not'),
    ]);
  });
});
