import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { Authority, hasOpenssl } from '../support/certificates.ts';
import { cleanup } from '../support/cleanup.ts';
import { CliHarness, ownTmpdir, temporaryFolder } from '../support/cli-harness.ts';
import { makeImage } from '../support/images.ts';
import {
  containerdImage,
  containerdIndex,
  json,
  savedImage,
  startEngine,
  type ScriptedEngine,
} from '../support/scripted-engine.ts';

/** Images of container engines as sources, on scripted engines. test/integration/engines.test.ts has the real ones. */

const amd64 = { ...makeImage({ salt: 'engine-amd64', kind: 'oci' }), platform: 'linux/amd64' };
const arm64 = {
  ...makeImage({ salt: 'engine-arm64', kind: 'oci', platform: { architecture: 'arm64', os: 'linux' } }),
  platform: 'linux/arm64',
};
const both = containerdIndex([amd64, arm64]);
const sparse = containerdIndex([amd64, { ...arm64, isMissing: true }]);

let registry: RunningRegistry;
beforeEach(async () => {
  registry = await startRegistry();
});
afterEach(() => registry.close());

const at = (name: string) => `${registry.host}/team/${name}`;

/** The export requests that an engine received. */
const exportsOf = ({ requests }: ScriptedEngine) => requests.filter((target) => target.startsWith('/images/get'));

async function withDocker(engine: ScriptedEngine): Promise<CliHarness> {
  return CliHarness.make({ env: { DOCKER_HOST: engine.host } });
}

describe('an engine with the containerd store', () => {
  test('copy reads an index as it is, with one export for all images', async () => {
    const engine = await startEngine('containerd', { 'team/app:1': both });
    const cli = await withDocker(engine);
    expect(await cli.must('copy', 'docker-daemon:team/app:1', at('app:1'))).toBe(both.digest);
    expect(exportsOf(engine)).toHaveLength(1);
    expect(await cli.must('digest', `docker://${at('app:1')}`)).toBe(both.digest);
    await cli.must('validate', '--deep', `docker://${at('app:1')}`);
  });

  test('create, add and push use images of an engine', async () => {
    const engine = await startEngine('containerd', { 'team/app:1': both, 'team/arm:1': containerdImage(arm64) });
    const cli = await withDocker(engine);
    await cli.must('create', at('list'), 'docker-daemon:team/app:1', '--platform', 'linux/amd64');
    await cli.must('add', 'docker-daemon:team/arm:1');
    await cli.must('annotate', at('list'), 'docker-daemon:team/arm:1', '--variant', 'v8');
    await cli.must('push');
    const { manifests } = JSON.parse(await cli.must('inspect', `docker://${at('list')}`)) as {
      readonly manifests: readonly { readonly digest: string; readonly platform: object }[];
    };
    expect(manifests.map(({ digest, platform }) => [digest, platform])).toEqual([
      [amd64.digest, { architecture: 'amd64', os: 'linux' }],
      [arm64.digest, { architecture: 'arm64', os: 'linux', variant: 'v8' }],
    ]);
  });

  test('the checks for CI jobs', async () => {
    const engine = await startEngine('containerd', { 'team/app:1': both });
    const cli = await withDocker(engine);
    const name = 'docker-daemon:team/app:1';
    await cli.must('validate', name, '--expect', 'linux/amd64,linux/arm64');
    await cli.must('exists', name, '--platform', 'linux/arm64');
    expect((await cli.run(['exists', name, '--platform', 'linux/386'])).code).toBe(4);
    const { code, stdout } = await cli.run(['validate', name, '--require-attestation', 'sbom']);
    expect([code, stdout.match(/E-ATTESTATION .*\(found: none\)$/gm)?.length]).toEqual([3, 2]);
  });

  test('a push of one image exports only its platform', async () => {
    const engine = await startEngine('containerd', { 'team/app:1': both });
    const cli = await withDocker(engine);
    await cli.must('create', at('list'), 'docker-daemon:team/app:1', '--platform', 'linux/arm64');
    engine.requests.length = 0;
    await cli.must('push');
    expect(exportsOf(engine).map((target) => new URLSearchParams(target.split('?')[1]).get('platform'))).toEqual([
      '{"architecture":"arm64","os":"linux"}',
    ]);
  });

  test('engines that do not describe manifests: Docker 23 to 27', async () => {
    const description = { ...sparse.description, Descriptor: undefined, Manifests: undefined };
    const engine = await startEngine('docker27', { 'team/app:1': { ...sparse, description } });
    const cli = await withDocker(engine);
    await cli.must('create', at('list'), 'docker-daemon:team/app:1', '--missing', 'skip');
    await cli.must('push');
    await cli.must('validate', '--deep', `docker://${at('list')}`);
    expect((await cli.run(['copy', 'docker-daemon:team/app:1', at('app')])).code).toBe(4);
  });

  test('the available images of a sparse index are used', async () => {
    const engine = await startEngine('containerd', { 'team/app:1': sparse });
    const cli = await withDocker(engine);
    const refused = await cli.run(['copy', 'docker-daemon:team/app:1', at('app:1')]);
    expect(refused.code).toBe(4);
    expect(refused.stderr).toContain('images are missing from docker-daemon:docker.io/team/app:1');
    expect(refused.stderr).toContain('Available: linux/amd64');
    await cli.must('create', at('list'), 'docker-daemon:team/app:1', '--missing', 'skip', '--push');
  });

  test('apply uses images of engines', async () => {
    const engine = await startEngine('containerd', { 'team/app:1': both });
    const cli = await withDocker(engine);
    const spec = `list: ${at('app:1')}\ncopy: docker-daemon:team/app:1\n---\nlist: ${at('app:2')}\nmanifests: [docker-daemon:team/app:1]\n`;
    await writeFile(join(cli.folder, 'lists.yaml'), spec);
    await cli.must('apply', '-f', 'lists.yaml', '--allow-outside');
    await cli.must('validate', '--deep', `docker://${at('app:2')}`);
    expect(await cli.must('digest', `docker://${at('app:1')}`)).toBe(both.digest);
  });

  test('join uses images of engines', async () => {
    const engine = await startEngine('containerd', { arm: containerdImage(arm64) });
    const cli = await withDocker(engine);
    await cli.must('join', at('joined:1'), 'docker-daemon:arm', '--group', 'one', '--expect', 'linux/arm64');
    const { entries } = await cli.json<{ entries: readonly object[] }>('show', `docker://${at('joined:1')}`);
    expect(entries).toHaveLength(1);
  });

  test('completion lists the images of the engine', async () => {
    const engine = await startEngine('containerd', { 'team/app:1': both, 'team/arm:1': containerdImage(arm64) });
    const cli = await withDocker(engine);
    const complete = async (...words: readonly string[]) => (await cli.must('--complete', ...words)).split('\n');
    expect(await complete('create', at('list'), 'docker-daemon:team/a')).toEqual([
      'docker-daemon:team/app:1',
      'docker-daemon:team/arm:1',
    ]);
    expect(await complete('show', 'docker-daemon:team/ar')).toEqual(['docker-daemon:team/arm:1']);
    expect(await complete('push', 'docker-daemon:')).toEqual(['']);
    engine.fault = () => true;
    expect(await complete('show', 'docker-daemon:')).toEqual(['']);
  });

  test('show, inspect and explain read images', async () => {
    const engine = await startEngine('containerd', { app: both });
    const cli = await withDocker(engine);
    const shown = await cli.json<{ from: string; ref: string; digest: string }>('show', 'docker-daemon:app');
    expect(shown).toMatchObject({ from: 'docker-daemon', ref: 'docker-daemon:docker.io/library/app:latest' });
    expect(await cli.must('inspect', '--raw', 'docker-daemon:app')).toBe(both.bytes.toString());
    expect(await cli.must('explain', 'docker-daemon:app', '--platform', 'linux/arm64')).toContain(
      arm64.digest.slice(0, 19),
    );
    expect(await cli.must('show', `docker-daemon:${both.digest}`)).toContain(both.digest);
  });
});

describe('reading an engine without manifests', () => {
  test.each(['classic', 'podman'] as const)('copy generates a manifest: %s', async (shape) => {
    const image = savedImage('app');
    const engine = await startEngine(shape, { app: image });
    const cli = await CliHarness.make({ env: { DOCKER_HOST: engine.host, CONTAINER_HOST: engine.host } });
    const source = shape === 'podman' ? 'podman:app' : 'docker-daemon:app';
    const digest = await cli.must('copy', source, at('app'));
    expect(await cli.must('copy', source, at('again'))).toBe(digest);
    await cli.must('validate', '--deep', `docker://${at('app')}`);
    const manifest = JSON.parse(await cli.must('inspect', `docker://${at('app')}`)) as { config: { digest: string } };
    expect(manifest.config.digest).toBe(image.id);
  });

  test('podman finds images that it has built under localhost/', async () => {
    const engine = await startEngine('podman', { 'localhost/app:latest': savedImage('localhost/app:latest') });
    const cli = await CliHarness.make({ env: { CONTAINER_HOST: engine.host } });
    await cli.must('copy', 'podman:app', at('app'));
  });
});

describe('finding the engine', () => {
  /** Writes the file of a Docker context. */
  async function writeContext(home: string, name: string, docker: object): Promise<void> {
    const folder = join(home, '.docker/contexts/meta', createHash('sha256').update(name).digest('hex'));
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'meta.json'), JSON.stringify({ Name: name, Endpoints: { docker } }));
  }

  test('a context is used by its name, by DOCKER_CONTEXT, and if it is the current one', async () => {
    const [first, second] = [await startEngine('containerd', { app: both }), await startEngine('containerd')];
    const cli = await CliHarness.make();
    await writeContext(cli.folder, 'first', { Host: first.host });
    await writeContext(cli.folder, 'second', { Host: second.host });
    await cli.must('show', 'docker-daemon@first:app');
    expect((await cli.run(['show', 'docker-daemon@first:app'], { env: { DOCKER_HOST: second.host } })).code).toBe(0);
    expect((await cli.run(['show', 'docker-daemon:app'], { env: { DOCKER_CONTEXT: 'first' } })).code).toBe(0);
    await writeFile(join(cli.folder, '.docker/config.json'), JSON.stringify({ currentContext: 'first' }));
    await cli.must('show', 'docker-daemon:app');
    expect((await cli.run(['show', 'docker-daemon:app'], { env: { DOCKER_CONTEXT: 'second' } })).code).toBe(4);
    const host = { DOCKER_HOST: first.host, DOCKER_CONTEXT: 'second' };
    expect((await cli.run(['show', 'docker-daemon:app'], { env: host })).code).toBe(0);
    expect((await cli.run(['show', 'docker-daemon:app'], { env: { DOCKER_HOST: '' } })).code).toBe(0);
  });

  test('an unknown context is an error that lists the others', async () => {
    const cli = await CliHarness.make();
    await writeContext(cli.folder, 'desktop', { Host: 'unix:///nowhere' });
    const { code, stderr } = await cli.run(['show', 'docker-daemon@other:app']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('Docker context not found: "other"')]);
    expect(stderr).toContain('Available contexts: default, desktop.');
  });

  test('the sockets of a rootless engine and of podman are found', async () => {
    const runtime = await temporaryFolder();
    const docker = await startEngine('classic', { app: savedImage('app') }, join(runtime, 'docker.sock'));
    await mkdir(join(runtime, 'podman'));
    const podman = await startEngine('podman', { app: savedImage('app') }, join(runtime, 'podman/podman.sock'));
    const cli = await CliHarness.make({ env: { XDG_RUNTIME_DIR: runtime } });
    await cli.must('show', 'docker-daemon:app');
    await cli.must('show', 'podman:app');
    expect([docker.requests.length, podman.requests.length].every((count) => count > 0)).toBe(true);
  });

  test.each([
    ['http://127.0.0.1:1', 'http:// is not supported', 'Write tcp://127.0.0.1:1.'],
    [
      '/var/run/docker.sock',
      'it must have the form tcp://HOST[:PORT]',
      'For a socket, write unix:///var/run/docker.sock.',
    ],
    ['ssh://-oProxyCommand=touch%20x/', 'the user and the host must not begin with "-"', ''],
    ['ssh://-l@host', 'the user and the host must not begin with "-"', ''],
    ['ssh://', 'the host is missing', ''],
    ['ssh://host:99999', 'it is not a valid URL', ''],
    ['ssh://me:secret-word@host', 'a password in the address is not supported', ''],
    ['ssh://host/$(id)', 'the path may only contain letters, digits and the characters _ . / + -', ''],
    ['ssh://a%zz@host', 'its percent-encoding is invalid', ''],
    ['tcp://host:70000', 'the port must be between 1 and 65535', ''],
  ])('DOCKER_HOST=%s is refused', async (host, reason, hint) => {
    const cli = await CliHarness.make({ env: { DOCKER_HOST: host } });
    const { code, stderr } = await cli.run(['show', 'docker-daemon:app']);
    expect(code).toBe(2);
    expect(stderr).toContain(reason);
    expect(stderr).toContain(hint);
    expect(stderr).not.toContain('secret-word');
  });

  test('an ssh address runs ssh with the arguments of the docker CLI', async () => {
    const engine = await startEngine('containerd', { app: both });
    const cli = await CliHarness.make();
    const bin = join(cli.folder, 'bin');
    await mkdir(bin);
    const script = `#!/usr/bin/env node
const { appendFileSync } = require('node:fs');
appendFileSync(${JSON.stringify(join(cli.folder, 'log'))}, JSON.stringify(process.argv.slice(2)) + '\\n');
const socket = require('node:net').connect(${JSON.stringify(engine.host.slice('unix://'.length))});
process.stdin.pipe(socket).pipe(process.stdout);
`;
    await writeFile(join(bin, 'ssh'), script);
    await chmod(join(bin, 'ssh'), 0o755);
    const env = { DOCKER_HOST: 'ssh://me@build-host:2222', PATH: `${bin}:${process.env['PATH'] ?? ''}` };
    const { code, stderr } = await cli.run(['show', 'docker-daemon:app'], { env });
    expect([code, stderr]).toEqual([0, expect.stringContaining('from docker-daemon')]);
    const [first] = (await readFile(join(cli.folder, 'log'), 'utf8')).split('\n');
    expect(JSON.parse(first ?? '')).toEqual([
      ...['-o', 'ConnectTimeout=30', '-T', '-l', 'me', '-p', '2222'],
      ...['--', 'build-host', 'docker', 'system', 'dial-stdio'],
    ]);
  });

  test('DOCKER_TLS_VERIFY and a context use client certificates', async () => {
    if (!hasOpenssl()) return;
    const engine = await startEngine('containerd', { app: both });
    const folder = await temporaryFolder();
    const authority = new Authority(folder, 'ca');
    const [own, user] = [authority.sign('engine'), authority.sign('cert')];
    await writeFile(join(folder, 'key.pem'), user.key);
    const options = { ca: authority.certificate.cert, cert: own.cert, key: own.key, requestCert: true };
    const server = createTlsServer(options, (socket) => {
      socket.pipe(connect(engine.host.slice('unix://'.length))).pipe(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanup({ close: () => void server.close() });
    const host = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const cli = await CliHarness.make();
    const env = { DOCKER_HOST: host, DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: folder };
    expect((await cli.run(['show', 'docker-daemon:app'], { env })).code).toBe(0);
    const without = await cli.run(['show', 'docker-daemon:app'], { env: { ...env, DOCKER_CERT_PATH: cli.folder } });
    expect(without.code).toBe(7);
    await writeContext(cli.folder, 'remote', { Host: host });
    const id = createHash('sha256').update('remote').digest('hex');
    await cp(folder, join(cli.folder, '.docker/contexts/tls', id, 'docker'), { recursive: true });
    await cli.must('show', 'docker-daemon@remote:app');
  });

  test('what ssh prints is the reason of a failed connection', async () => {
    const cli = await CliHarness.make();
    await writeFile(
      join(cli.folder, 'ssh'),
      '#!/bin/sh\necho "me@build-host: Permission denied (publickey)." >&2\nexit 255\n',
    );
    await chmod(join(cli.folder, 'ssh'), 0o755);
    const env = { DOCKER_HOST: 'ssh://me@build-host', PATH: `${cli.folder}:${process.env['PATH'] ?? ''}` };
    const { code, stderr } = await cli.run(['show', 'docker-daemon:app'], { env });
    expect([code, stderr]).toEqual([7, expect.stringContaining('ssh failed: me@build-host: Permission denied')]);
  });

  test('docker://podman:5000/app is the registry, and a hint says so', async () => {
    const engine = await startEngine('podman');
    const cli = await CliHarness.make({ env: { CONTAINER_HOST: engine.host } });
    const { code, stderr } = await cli.run(['show', 'podman:5000/app']);
    expect(code).toBe(4);
    expect(stderr).toContain('write docker://podman:5000/app');
    const remote = await cli.run(['show', 'docker://podman:5000/app', '--timeout', '1s', '--retries', '0']);
    expect(remote.stderr).toContain('podman:5000/app:latest');
  });
});

describe('faults of engines', () => {
  const source = 'docker-daemon:team/app:1';

  test.each([
    ['a missing image', 4, 'does not have it (HTTP 404, No such image', undefined],
    ['status 500', 7, 'reported an error (HTTP 500, disk failure)', 500],
    ['status 403', 6, 'denied access (HTTP 403, disk failure)', 403],
  ])('%s', async (_, code, message, status) => {
    const engine = await startEngine('containerd');
    engine.fault = (request, response) => {
      if (status === undefined || request.url?.endsWith('/version') === true) return false;
      json(response, status, { message: 'disk failure' });
      return true;
    };
    const result = await (await withDocker(engine)).run(['copy', source, at('app')]);
    expect(result.code).toBe(code);
    expect(result.stderr).toContain(message);
  });

  test('an export that stops in the middle writes no tag', async () => {
    const engine = await startEngine('containerd', { 'team/app:1': both });
    engine.fault = (request, response) => {
      if (request.url?.includes('/images/get') !== true) return false;
      response.writeHead(200).write(both.tar(undefined)?.subarray(0, 2000));
      setTimeout(() => response.destroy(), 50);
      return true;
    };
    const { code, stderr } = await (await withDocker(engine)).run(['copy', source, at('app')]);
    expect([code, stderr]).toEqual([7, expect.stringContaining('closed the connection before the end')]);
    expect((await fetch(`${registry.url}/v2/team/app/manifests/latest`)).status).toBe(404);
  });

  test('an export that lacks the end of the tar is refused', async () => {
    const engine = await startEngine('containerd', {
      'team/app:1': { ...both, tar: () => both.tar(undefined)?.subarray(0, 700) },
    });
    const { code, stderr } = await (await withDocker(engine)).run(['copy', source, at('app')]);
    const message = 'cannot read the archive docker-daemon:docker.io/team/app:1: it is truncated';
    expect([code, stderr]).toEqual([3, expect.stringContaining(message)]);
  });

  test('an export that is larger than its description is refused', async () => {
    const engine = await startEngine('containerd', { 'team/app:1': both });
    engine.fault = (request, response) => {
      if (request.url?.includes('/images/get') !== true) return false;
      response.writeHead(200).write(both.tar(undefined)?.subarray(0, 512));
      const send = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(1024 * 1024)));
        response.once('drain', send);
      };
      send();
      return true;
    };
    const { code, stderr } = await (await withDocker(engine)).run(['copy', source, at('app')]);
    expect([code, stderr]).toEqual([7, expect.stringContaining('although the engine describes a smaller image')]);
  });

  test.each([
    ['an ID', 'containerd', `docker-daemon:sha256:${'b'.repeat(64)}`],
    ['an ID in a store without manifests', 'classic', `docker-daemon:sha256:${'b'.repeat(64)}`],
    ['a digest', 'containerd', `docker-daemon:team/app@sha256:${'b'.repeat(64)}`],
    ['a digest in an older store', 'docker27', `docker-daemon:team/app@sha256:${'b'.repeat(64)}`],
  ] as const)('an engine that returns a different image for %s is refused', async (_name, shape, location) => {
    const engine = await startEngine(shape);
    const { description } = shape === 'classic' ? savedImage('team/app:1') : both;
    engine.fault = (request, response) => {
      if (request.url?.includes('/images/') !== true) return false;
      json(response, 200, description);
      return true;
    };
    const { code, stderr } = await (await withDocker(engine)).run(['digest', location]);
    expect([code, stderr]).toEqual([7, expect.stringContaining(`returned a different image for docker-daemon:`)]);
    expect(exportsOf(engine)).toEqual([]);
  });

  test('an engine that answers with another protocol is refused', async () => {
    const engine = await startEngine('containerd');
    engine.fault = (_request, response) => {
      response.writeHead(101, { connection: 'upgrade', upgrade: 'tcp' }).end();
      return true;
    };
    const { code, stderr } = await (await withDocker(engine)).run(['show', source]);
    expect([code, stderr]).toEqual([7, expect.stringContaining('did not respond like a container engine (HTTP 101)')]);
  });

  test('a server that is not an engine is refused', async () => {
    const engine = await startEngine('containerd');
    engine.fault = (_request, response) => {
      json(response, 404, { message: 'page not found' });
      return true;
    };
    const { code, stderr } = await (await withDocker(engine)).run(['show', source]);
    expect([code, stderr]).toEqual([7, expect.stringContaining('did not respond like a container engine (HTTP 404)')]);
  });

  test.each([
    ['without a scheme', 'me:hidden@engine:2375'],
    ['with a slash', 'tcp://me:hid/hidden@engine:2375'],
    ['in a query', 'ssh://engine?password=hidden'],
  ])('an invalid address is quoted without its password: %s', async (_name, host) => {
    const { code, stderr } = await (await CliHarness.make({ env: { DOCKER_HOST: host } })).run(['show', source]);
    expect([code, stderr]).toEqual([2, expect.stringContaining('invalid engine address ')]);
    expect(stderr).not.toContain('hidden');
  });

  test.each([
    ['a device', (path: string) => symlink('/dev/zero', path)],
    ['a pipe', (path: string) => promisify(execFile)('mkfifo', [path])],
    ['a folder', (path: string) => mkdir(path)],
    ['a huge file', (path: string) => writeFile(path, ' '.repeat(2_000_000))],
  ])('the file of a context that is %s is refused', async (_name, create) => {
    const cli = await CliHarness.make();
    const id = createHash('sha256').update('odd').digest('hex');
    const folder = join(cli.folder, '.docker/contexts/meta', id);
    await mkdir(folder, { recursive: true });
    await create(join(folder, 'meta.json'));
    const { code, stderr } = await cli.run(['show', 'docker-daemon@odd:app']);
    expect([code, stderr]).toEqual([1, expect.stringContaining(`cannot read ${join(folder, 'meta.json')}: it`)]);
  });

  test('an engine that sends other bytes than it describes is refused', async () => {
    const other = containerdImage(makeImage({ salt: 'other', kind: 'oci' }));
    const engine = await startEngine('containerd', { 'team/app:1': { ...both, tar: other.tar } });
    const { code } = await (await withDocker(engine)).run(['copy', source, at('app')]);
    expect(code).toBe(4);
  });

  test('an answer that never ends is refused', async () => {
    const engine = await startEngine('containerd');
    engine.fault = (request, response) => {
      if (request.url?.includes('/json') !== true) return false;
      response.writeHead(200);
      const send = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(1024 * 1024, ' ')));
        response.once('drain', send);
      };
      send();
      return true;
    };
    const { code, stderr } = await (await withDocker(engine)).run(['show', source]);
    expect([code, stderr]).toEqual([7, expect.stringContaining('the engine sent an invalid response')]);
  });

  test('an engine that sends nothing ends with the timeout', async () => {
    const engine = await startEngine('containerd');
    engine.fault = () => true;
    const { code, stderr } = await (await withDocker(engine)).run(['show', source, '--timeout', '200ms']);
    expect([code, stderr]).toEqual([7, expect.stringContaining('sent no data for 0.2 s')]);
  });

  test('a missing engine names its address and where it was found', async () => {
    const cli = await CliHarness.make({ env: { DOCKER_HOST: 'unix:///nowhere/docker.sock' } });
    const { code, stderr } = await cli.run(['show', source]);
    expect(code).toBe(7);
    expect(stderr).toContain('the Docker engine at unix:///nowhere/docker.sock cannot be reached (ENOENT)');
    expect(stderr).toContain('mlist uses DOCKER_HOST.');
  });

  test('a server that is not an engine is refused', async () => {
    const path = join(await temporaryFolder(), 'other.sock');
    const server = createServer((socket) => socket.end('hello\n'));
    server.listen(path);
    await once(server, 'listening');
    cleanup({ close: () => void server.close() });
    const cli = await CliHarness.make({ env: { DOCKER_HOST: `unix://${path}` } });
    expect((await cli.run(['show', source])).code).toBe(7);
  });

  test('exports are removed after success and failure', async () => {
    const folder = await ownTmpdir();
    const engine = await startEngine('containerd', { 'team/app:1': both });
    const cli = await withDocker(engine);
    await cli.must('copy', source, at('app'));
    engine.images.set('team/app:1', { ...both, tar: () => Buffer.from('not a tar'.repeat(100)) });
    expect((await cli.run(['copy', source, at('other')])).code).toBe(3);
    expect((await readdir(folder)).filter((name) => name.startsWith('mlist-spool-'))).toEqual([]);
  });
});
