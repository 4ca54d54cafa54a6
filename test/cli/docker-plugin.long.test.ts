import { execFile, spawn } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parsePluginCall } from '../../src/cli/docker-plugin/docker-plugin.ts';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { version } from '../../src/version.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { isLong } from '../support/long.ts';
import { programCommand, startMlist } from '../support/mlist.ts';
import { describeWith } from '../support/programs.ts';
import { temporaryFolder, CliHarness } from '../support/cli-harness.ts';

const execute = promisify(execFile);

describe('the arguments of docker before the name of its plugin', () => {
  test.each<[string, readonly string[], readonly string[], Readonly<Record<string, string | undefined>>]>([
    ['nothing', ['mlist', 'ls', '-q'], ['ls', '-q'], {}],
    ['--config DIR', ['--config', '/c', 'mlist', 'ls'], ['ls'], { DOCKER_CONFIG: '/c' }],
    ['--config=DIR', ['--config=/c', 'mlist', 'ls'], ['ls'], { DOCKER_CONFIG: '/c' }],
    ['-D', ['-D', 'mlist', 'ls'], ['ls', '--debug'], {}],
    ['--debug=false', ['--debug=false', 'mlist', 'ls'], ['ls'], {}],
    [
      '-l and -c',
      ['-l', 'debug', '-c', 'remote', 'mlist', 'push', '-l', 'a'],
      ['push', '-l', 'a'],
      { DOCKER_CONTEXT: 'remote', DOCKER_HOST: undefined },
    ],
    ['-ldebug', ['-ldebug', 'mlist', 'ls'], ['ls'], {}],
    ['-Dl=info', ['-Dl=info', 'mlist', 'ls'], ['ls', '--debug'], {}],
    ['-H twice', ['-H', 'tcp://a:1', '--host=tcp://b:1', 'mlist', 'ls'], ['ls'], { DOCKER_HOST: 'tcp://b:1' }],
    ['-c default', ['-c', 'default', 'mlist', 'ls'], ['ls'], { DOCKER_CONTEXT: 'default' }],
    ['--tlsverify', ['--tlsverify', 'mlist', 'ls'], ['ls'], { DOCKER_TLS_VERIFY: '1' }],
    [
      'TLS',
      ['--tls', '--tlsverify=false', '--tlscacert', 'ca', '--tlskey=k', '--tlscert', 'c', 'mlist', 'ls'],
      ['ls'],
      { DOCKER_TLS: '1' },
    ],
    [
      'a value that is called like the plugin',
      ['--context', 'mlist', 'mlist', 'ls'],
      ['ls'],
      { DOCKER_CONTEXT: 'mlist', DOCKER_HOST: undefined },
    ],
    ['the plugin alone', ['-D', 'mlist'], ['--debug'], {}],
    ['help', ['help', 'mlist', 'create'], ['help', 'create'], {}],
    ['completion', ['__complete', 'mlist', 'cr'], ['__complete', 'cr'], {}],
    ['not docker: an option of mlist first', ['--json', 'ls'], ['--json', 'ls'], {}],
    ['not docker: a list that is called mlist', ['create', '-a', 'mlist'], ['create', '-a', 'mlist'], {}],
    ['not docker: -D and a command', ['-D', 'ls'], ['-D', 'ls'], {}],
  ])('%s', (_name, argv, args, changes) => {
    const env = { HOME: '/h', DOCKER_HOST: 'tcp://env:1' };
    expect(parsePluginCall(argv, env)).toStrictEqual({ args, env: { ...env, ...changes } });
  });
});

test('the metadata for docker', async () => {
  const cli = await CliHarness.make();
  expect(await cli.json('docker-cli-plugin-metadata')).toMatchObject({ SchemaVersion: '0.1.0', Vendor: 'mlist' });
  expect(await cli.must('mlist', '--version')).toBe(version);
});

(process.platform === 'win32' ? test.skip : test)(
  'ends when docker closes the socket that it names by a path',
  async () => {
    const path = join(await temporaryFolder(), 'docker.sock');
    const docker = createServer();
    await new Promise<void>((resolve) => docker.listen(path, resolve));
    const connected = new Promise<Socket>((resolve) => docker.once('connection', resolve));
    const { child, ended } = startMlist(['serve', '--addr', '127.0.0.1:0'], { DOCKER_CLI_PLUGIN_SOCKET: path });
    const socket = await connected;
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    socket.destroy();
    docker.close();
    expect(await ended).toMatchObject({ code: 0, stderr: '' });
  },
);

describeWith('docker', 'called by docker', () => {
  let registry: RunningRegistry;
  let folder: string;

  beforeAll(async () => {
    registry = await startRegistry();
    await pushImage(registry.url, 'team/app', 'amd64', makeImage({ salt: 'plugin' }));
    folder = (await CliHarness.make()).folder;
    const plugins = join(folder, '.docker', 'cli-plugins');
    await mkdir(plugins, { recursive: true });
    await symlink(programCommand().at(-1)!, join(plugins, 'docker-mlist'));
  });
  afterAll(() => registry.close());

  async function docker(...args: readonly string[]): Promise<{ readonly stdout: string; readonly stderr: string }> {
    const env = { PATH: process.env['PATH'], HOME: folder, NO_COLOR: '1' };
    return execute('docker', args, { env, cwd: folder });
  }

  test('a signal to docker alone also ends the plugin', async () => {
    const child = spawn('docker', ['mlist', 'serve', '--addr', '127.0.0.1:0'], {
      env: { PATH: process.env['PATH'], HOME: folder },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const ended = new Promise((resolve) => child.once('close', resolve));
    const url = await new Promise<string>((resolve) =>
      child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString().trim())),
    );
    expect((await fetch(`${url}/v2/`)).status).toBe(200);
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    await expect(fetch(`${url}/v2/`)).rejects.toThrow();
  });

  test('docker lists the plugin', async () => {
    expect((await docker('--help')).stdout).toMatch(/mlist\* +Draft, annotate, validate and push/);
  });

  test('creates a list, with options of docker before the name', async () => {
    const list = `${registry.host}/team/app:list`;
    const { stdout, stderr } = await docker(
      '-D',
      '-l',
      'error',
      'mlist',
      'create',
      list,
      `${registry.host}/team/app:amd64`,
    );
    expect(stdout).toBe(`Created manifest list ${list}\n`);
    expect(stderr).toMatch(/^debug: GET /m);
    expect((await docker('mlist', 'ls')).stdout).toContain(list);
  });

  test('--config is the folder of the credentials', async () => {
    const config = join(folder, 'other');
    await mkdir(join(config, 'cli-plugins'), { recursive: true });
    const auth = Buffer.from('me:secret').toString('base64');
    await writeFile(join(config, 'config.json'), JSON.stringify({ auths: { [registry.host]: { auth } } }));
    await symlink(join(folder, '.docker', 'cli-plugins', 'docker-mlist'), join(config, 'cli-plugins', 'docker-mlist'));
    const removed = `Removed the credentials for ${registry.host}\n`;
    await expect(docker('mlist', 'logout', registry.host)).rejects.toMatchObject({ code: 4 });
    expect((await docker('--config', config, 'mlist', 'logout', registry.host)).stdout).toBe(removed);
  });

  test('-H selects the engine of docker-daemon:', async () => {
    await expect(docker('-H', 'unix:///missing', 'mlist', 'show', 'docker-daemon:app')).rejects.toMatchObject({
      code: 7,
      stderr: expect.stringContaining('unix:///missing cannot be reached') as unknown,
    });
  });

  test('help, and the exit code of a failure', async () => {
    expect((await docker('help', 'mlist', 'push')).stdout).toContain('Usage: mlist push');
    await expect(docker('mlist', 'push', 'x.io/none')).rejects.toMatchObject({ code: 4 });
    if (!isLong) return;
    expect((await docker('help', 'mlist')).stdout).toContain('Usage: mlist COMMAND');
    expect((await docker('mlist', 'push', '--help')).stdout).toContain('Usage: mlist push');
  });

  test('completion of commands, options and drafts', async () => {
    const lines = async (...args: string[]) => (await docker(...args)).stdout.trimEnd().split('\n');
    expect(await lines('__complete', 'mlist', 'anno')).toEqual([
      expect.stringMatching(/^annotate\tSet the platform/),
      ':4',
    ]);
    expect(await lines('__complete', 'mlist', 'use', '')).toEqual([
      `${registry.host}/team/app:list\tlinux/amd64`,
      ':4',
    ]);
    if (!isLong) return;
    expect(await lines('__completeNoDesc', 'mlist', 'push', '--dry')).toEqual([
      expect.stringMatching(/^--dry-run/),
      ':4',
    ]);
    expect(await lines('__complete', 'mlist', 'create', '--file', '')).toEqual([':0']);
  });
});
