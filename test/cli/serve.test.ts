import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { MlistError } from '../../src/errors/errors.ts';
import { startRegistry } from '../../src/server/start-registry.ts';
import { imageOf } from '../store/samples.ts';
import { codesOf, putImage, send, withRegistry } from '../server/client.ts';
import { cleanup } from '../support/cleanup.ts';
import { CliHarness, type CliHarnessOptions, type CliResult } from '../support/cli-harness.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { startMlist } from '../support/mlist.ts';
import { describeWith } from '../support/programs.ts';
import { expectFits } from '../support/schemas.ts';

/** `mlist serve` on the command line, and `mlist delete --repository`. */

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** Runs `serve` until the work is done. */
async function serve(
  args: readonly string[],
  work: (url: string) => Promise<void>,
  { host = '127.0.0.1', cli, ...more }: CliHarnessOptions & { host?: string; cli?: CliHarness } = {},
): Promise<CliResult> {
  const stop = new AbortController();
  const port = await freePort();
  let started = (): void => undefined;
  const ready = new Promise<void>((resolve) => (started = resolve));
  const harness = cli ?? (await CliHarness.make());
  const options = { ...more, signal: stop.signal, onStdout: () => started() };
  const running = harness.run(['serve', '--addr', `${host}:${port}`, ...args], options);
  try {
    await Promise.race([ready, running]);
    await work(`http://127.0.0.1:${port}`);
  } finally {
    stop.abort(new MlistError('ERR_MLIST_INTERRUPTED', 'enough'));
  }
  return await running;
}

const get = (url: string, path: string, headers = {}) => send(url, 'GET', path, { headers });
const linesOf = (text: string) => text.split('\n').slice(0, -1);

describe('the access log', () => {
  const secrets = ['s3cret-password', 's3cret-token', 's3cret-signature'];
  const paths = [
    '/v2/repo/tags/list?n=1&last=a',
    `/v2/repo/manifests/v1?token=${secrets[1]}&digest=sha256:0&${secrets[2]}&x-signature=${secrets[2]}`,
    '/v2/%1b[31mred/manifests/v1',
    `/v2/?n=1;token=${secrets[1]}`,
  ];
  const visit = async (url: string): Promise<void> => {
    const authorization = `Basic ${Buffer.from(`me:${secrets[0]}`).toString('base64')}`;
    for (const path of [...paths, `/v2/#${secrets[1]}`]) await get(url, path, { authorization });
    await get(url, '/v2/', { authorization: `Bearer ${secrets[1]}` });
  };

  async function withUser(cli: CliHarness): Promise<readonly string[]> {
    const hash = createHash('sha256').update('s3cret-password').digest('base64');
    await writeFile(join(cli.folder, 'users'), `me:{SHA256}${hash}:read\n`);
    return ['--htpasswd', 'users'];
  }

  test('has JSON lines', async () => {
    const cli = await CliHarness.make();
    const { code, stderr } = await serve(await withUser(cli), visit, { cli });
    expect(code).toBe(0);
    const lines = linesOf(stderr);
    for (const line of lines) expectFits('event', line);
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    const common = { type: 'access', time, client: '127.0.0.1', method: 'GET', received: 0 };
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { ...common, user: 'me', path: '/v2/repo/tags/list?n=1&last=a', status: 404 },
      { ...common, path: '/v2/repo/manifests/v1?token=***&digest=sha256:0&***&x-signature=***', status: 404 },
      { ...common, path: '/v2/%1b[31mred/manifests/v1', status: 400 },
      { ...common, path: '/v2/?n=1&token=***', status: 200 },
      { ...common, path: '/v2/#***', status: 404 },
      { ...common, path: '/v2/', status: 401 },
    ]);
    expect(lines[5]).not.toContain('user');
    for (const secret of secrets) expect(stderr).not.toContain(secret);
  });

  test('has text on a terminal', async () => {
    const cli = await CliHarness.make({ terminal: true });
    const { stderr } = await serve(await withUser(cli), visit, { cli });
    const time = String.raw`\d{4}-\d\d-\d\dT[\d:.]+Z`;
    expect(linesOf(stderr)[0]).toMatch(
      new RegExp(`^${time} 127\\.0\\.0\\.1 me GET /v2/repo/tags/list\\?n=1&last=a 404 \\d+ \\d+ ms$`),
    );
    expect(linesOf(stderr)[5]).toMatch(new RegExp(`^${time} 127\\.0\\.0\\.1 - GET /v2/ 401 \\d+ \\d+ ms$`));
    for (const secret of secrets) expect(stderr).not.toContain(secret);
  });

  test.each<[string, readonly string[], boolean, RegExp]>([
    ['off', ['--access-log', 'off'], true, /^$/],
    ['off with --quiet', ['--quiet'], false, /^$/],
    ['as JSON on a terminal', ['--access-log', 'json'], true, /^\{"type":"access",.*\}\n$/],
    ['as JSON on a terminal with --json', ['--json'], true, /^\{"type":"access",.*\}\n$/],
    ['as text in a file', ['--access-log', 'text', '--quiet'], false, / - GET \/v2\/ 200 2 \d+ ms\n$/],
    [
      'beside --debug',
      ['--debug', '--access-log', 'json'],
      true,
      /^debug: GET \/v2\/ 200 \d+ ms\n\{"type":"access".*\n$/,
    ],
    ['as JSON beside --debug --json', ['--debug', '--json'], false, /^\{"type":"request",.*\n\{"type":"access",.*\n$/],
  ])('is %s', async (_, args, terminal, expected) => {
    const { stderr } = await serve(
      args,
      async (url) => {
        await get(url, '/v2/');
      },
      { terminal },
    );
    expect(stderr).toMatch(expected);
    if (args.includes('--json')) for (const line of linesOf(stderr)) expectFits('event', line);
  });

  test('has the reason for a status of 500', async () => {
    const cli = await CliHarness.make();
    await mkdir(join(cli.folder, 'dir', 'damaged'), { recursive: true });
    await writeFile(join(cli.folder, 'dir', 'damaged', 'oci-layout'), '{');
    const work = async (url: string) => {
      expect((await get(url, '/v2/damaged/tags/list?secret=s3cret')).status).toBe(500);
    };
    const [warning = '', line = '{}'] = linesOf((await serve(['--dir', 'dir'], work, { cli })).stderr);
    expect(warning).toMatch(
      /^warning: GET \/v2\/damaged\/tags\/list\?secret=\*\*\* failed with HTTP 500: .*oci-layout/,
    );
    expect(JSON.parse(line)).toMatchObject({ status: 500, error: expect.stringContaining('oci-layout') });
    expectFits('event', line);
    const { stderr } = await serve(['--dir', 'dir', '--json'], work, { cli });
    expect(linesOf(stderr).map((each) => (JSON.parse(each) as { type: string }).type)).toEqual(['warning', 'access']);
  });
});

test('an htpasswd file without users is reported at the start', async () => {
  const cli = await CliHarness.make();
  await writeFile(join(cli.folder, 'users'), '# nobody\n');
  const { stderr } = await serve(['--htpasswd', 'users'], () => Promise.resolve(), { cli });
  expect(linesOf(stderr)).toEqual([expect.stringMatching(/^warning: nobody can log in: .*users has no users$/)]);
});

describe('a registry that others can reach', () => {
  const everybody = /^warning: everyone who can reach 0\.0\.0\.0:\d+ can read and change all content: use --htpasswd$/m;
  const plain = /^warning: connections to 0\.0\.0\.0:\d+ are not encrypted, and passwords are sent in clear text/m;

  test.each([
    ['without a login', [], everybody],
    ['without a login, for reads', ['--read-only', '--dir', '.'], /can read all content: use --htpasswd$/m],
    ['without TLS', ['--htpasswd', 'users'], plain],
  ])('%s is reported', async (_, args, expected) => {
    const cli = await CliHarness.make();
    await writeFile(join(cli.folder, 'users'), `me:{SHA}0JQeaNqPOBUf+Gph/Fn3xc+fyqI=\n`);
    const { stderr } = await serve(args, () => Promise.resolve(), { host: '0.0.0.0', cli });
    expect(stderr).toMatch(expected);
    expect(linesOf(stderr)).toHaveLength(1);
    expect((await serve(args, () => Promise.resolve(), { cli })).stderr).toBe('');
  });
});

describe('options', () => {
  test.each([
    [['--anonymous-pull'], '--anonymous-pull needs --htpasswd'],
    [['--drain', 'soon'], '--drain takes a duration such as 30s, 10m or 1h30m, not "soon"'],
    [['--hash-password', 'me', '--drain', '1s'], '--hash-password and --drain cannot be used together'],
    [['--hash-password', 'me', '--access-log', 'off'], '--hash-password and --access-log cannot be used together'],
    [['--access-log', 'xml'], '--access-log takes auto, text, json or off'],
    [['--port', '5000'], 'hint: Use --addr HOST:PORT.'],
    [['--proxy', 'docker.io', '--proxy', 'docker.io=https://a.test'], 'docker.io is given more than once'],
  ])('%j are refused', async (args, message) => {
    const { code, stderr } = await (await CliHarness.make()).run(['serve', ...args]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  });
});

(process.platform === 'win32' ? describe.skip : describe)('signals', () => {
  /** Starts a registry with a request whose body is not complete. */
  async function withRequest(...args: readonly string[]) {
    const { child, ended } = startMlist(['serve', '--addr', '127.0.0.1:0', '--access-log', 'text', ...args]);
    const [line] = (await once(child.stdout!, 'data')) as [Buffer];
    const socket = connect(Number(new URL(line.toString().trim()).port), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(
      'PUT /v2/a/manifests/b HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n',
    );
    await once(socket, 'data');
    return { child, ended, socket };
  }

  test('a registry lets requests complete, and exits with 0', async () => {
    const { child, ended, socket } = await withRequest('--drain', '10m');
    const note = once(child.stderr!, 'data') as Promise<[Buffer]>;
    child.kill('SIGTERM');
    expect((await note)[0].toString()).toContain(
      'requests and uploads in progress may continue for up to 10m; a second signal',
    );
    const answer = once(socket, 'data') as Promise<[Buffer]>;
    socket.write('{}');
    expect((await answer)[0].toString()).toContain('HTTP/1.1 400');
    expect(await ended).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('PUT /v2/a/manifests/b 400'),
    });
  });

  test('a second signal stops it at once', async () => {
    const { child, ended, socket } = await withRequest('--drain', '10m');
    child.kill('SIGTERM');
    // The port is released when the first signal has been handled.
    while (await isListening(socket.remotePort ?? 0)) await Promise.resolve();
    child.kill('SIGTERM');
    expect((await ended).code).not.toBe(0);
  });

  test('a registry does not wait with --drain 0', async () => {
    const { child, ended } = await withRequest('--drain', '0');
    child.kill('SIGINT');
    expect(await ended).toMatchObject({ code: 0 });
  });
});

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

describe('delete --repository', () => {
  test('deletes a repository of `serve`', () =>
    withRegistry({}, async (served) => {
      for (const name of ['team/app', 'team/other']) await putImage(served, name, imageOf('a'), 'v1');
      const cli = await CliHarness.make();
      const ref = `${served.registry.host}/team/app`;
      const refused = await cli.run(['delete', '--repository', `${ref}:v1`]);
      expect([refused.code, refused.stderr]).toEqual([
        2,
        expect.stringContaining(`To delete the whole repository, specify ${ref}`),
      ]);
      expect((await cli.run(['delete', ref])).code).toBe(2);
      expect((await cli.run(['delete', '--repository', ref])).stderr).toBe(`deleted repository ${ref}\n`);
      expect(codesOf(await served.get('/v2/team/app/tags/list'))).toEqual(['NAME_UNKNOWN']);
      expect((await served.get('/v2/team/other/manifests/v1')).status).toBe(200);
      expect((await cli.run(['delete', '--repository', ref])).code).toBe(4);
      const document = await cli.must('delete', '--repository', `${served.registry.host}/team/other`, '--json');
      expectFits('delete', document);
    }));

  test('deletes a repository of a folder, also while it is served', async () => {
    const cli = await CliHarness.make();
    const dir = join(cli.folder, 'dir');
    await withRegistry({ dir }, async (served) => {
      for (const name of ['team/app', 'app']) await putImage(served, name, imageOf('a'), 'v1');
      expect(await cli.json('delete', '--repository', 'team/app', '--dir', 'dir')).toEqual({
        ref: 'team/app',
        what: 'repository',
      });
      expect(await readdir(dir)).toEqual(['app']);
      expect((await served.get('/v2/team/app/manifests/v1')).status).toBe(404);
      expect((await putImage(served, 'team/app', imageOf('a'), 'v1')).status).toBe(201);
    });
    for (const [args, code] of [
      [['--repository', 'none', '--dir', 'dir'], 4],
      [['--repository', '../dir', '--dir', 'dir'], 2],
      [['--repository', 'app:v1', '--dir', 'dir'], 2],
      [['--repository', 'app', '--dir', 'dir/app'], 2],
      [['--repository', 'app', '--dir', 'none'], 1],
      [['app', '--dir', 'dir'], 2],
    ] as const) {
      expect([args, (await cli.run(['delete', ...args])).code]).toEqual([args, code]);
    }
    expect(await readdir(dir)).toContain('app');
  });

  test('needs the right to write', async () => {
    const cli = await CliHarness.make();
    await writeFile(join(cli.folder, 'users'), `me:{SHA}0JQeaNqPOBUf+Gph/Fn3xc+fyqI=:read\n`);
    const registry = cleanup(
      await startRegistry({ htpasswd: join(cli.folder, 'users'), anonymousPull: true, dir: join(cli.folder, 'dir') }),
    );
    await withRegistry({ dir: join(cli.folder, 'dir') }, async (open) => {
      await putImage(open, 'app', imageOf('a'), 'v1');
    });
    expect((await cli.run(['delete', '--repository', `${registry.host}/app`])).code).toBe(6);
    expect(await cli.must('tags', `${registry.host}/app`)).toBe('v1');
  });

  describeWith('docker-registry', 'another registry', () => {
    test('does not support it, and the error says so', async () => {
      const registry = cleanup(await startDockerRegistry());
      const cli = await CliHarness.make();
      await withRegistry({}, async (served) => {
        await putImage(served, 'app', imageOf('a'), 'v1');
        await cli.must('copy', `${served.registry.host}/app:v1`, `${registry.host}/app:v1`);
      });
      const { code, stderr } = await cli.run(['delete', '--repository', `${registry.host}/app`]);
      expect([code, stderr]).toEqual([
        7,
        expect.stringContaining(
          `cannot delete ${registry.host}/app: ${registry.host} does not support deleting repositories`,
        ),
      ]);
      expect(await cli.must('tags', `${registry.host}/app`)).toBe('v1');
    });
  });
});
