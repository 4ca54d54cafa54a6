import { chown, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { getuid } from 'node:process';
import { describe, expect, test } from '@jest/globals';
import { startRegistry, type ServerOptions } from '../../src/server/start-registry.ts';
import { Authority, hasOpenssl } from '../support/certificates.ts';
import { cleanup } from '../support/cleanup.ts';
import { CliHarness, temporaryFolder } from '../support/cli-harness.ts';
import { expectFits } from '../support/schemas.ts';
import { startEngine } from '../support/scripted-engine.ts';

/** What `doctor` reports about files, variables, engines and a registry, and that it reports no secrets. */

const auth = (user: string) => Buffer.from(`${user}:correct-horse`).toString('base64');

interface Report {
  readonly workspace: object;
  readonly proxies: readonly object[];
  readonly mirrors: { readonly files: readonly object[]; readonly rules: readonly object[]; readonly isOff: boolean };
  readonly engines: readonly { readonly engine: string; readonly reachable: boolean; readonly problem?: string }[];
  readonly logins: { readonly files: readonly object[]; readonly logins: readonly object[] };
  readonly certificates: readonly object[];
  readonly problems: readonly string[];
  readonly registry?: Readonly<Record<string, unknown>>;
}

async function machineWith(files: Readonly<Record<string, string>> = {}): Promise<CliHarness> {
  const cli = await CliHarness.make();
  for (const [name, text] of Object.entries(files)) {
    const path = join(cli.folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
  return cli;
}

/** Runs doctor twice, for its document and its text. Neither may contain a secret. */
async function examine(
  cli: CliHarness,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number; readonly report: Report; readonly text: string }> {
  const { code, stdout, stderr } = await cli.run(['doctor', ...args, '--json'], { env });
  expect(stderr).toBe('');
  expectFits('doctor', stdout);
  const human = await cli.run(['doctor', ...args], { env });
  expect([human.code, human.stderr]).toEqual([code, '']);
  for (const text of [stdout, human.stdout]) expect(text).not.toMatch(/correct-horse|identity-secret|alice|Y29ycmVj/);
  return { code, report: JSON.parse(stdout) as Report, text: human.stdout };
}

describe('this machine', () => {
  test('with nothing configured: nothing is missing, and nothing is created', async () => {
    const cli = await CliHarness.make();
    const { code, report, text } = await examine(cli, [], { XDG_RUNTIME_DIR: cli.folder });
    expect(code).toBe(0);
    expect(report).toMatchObject({
      workspace: { from: 'user', path: cli.workspace, exists: false, writable: true, drafts: 0 },
      proxies: [],
      mirrors: { isOff: false, files: [], rules: [] },
      logins: { files: [], logins: [] },
      problems: [],
    });
    expect(text).toContain(`${cli.workspace} (user): does not exist yet, can be created`);
    expect(await readdir(cli.folder)).toEqual([]);
  });

  test('with configuration of every kind', async () => {
    const cli = await machineWith({
      '.docker/config.json': JSON.stringify({
        auths: { 'ghcr.io': {}, 'quay.io': { auth: auth('alice') }, 'https://alice:p@ss/correct-horse@x.io/v2/': {} },
        credHelpers: { 'gcr.io': 'gcloud' },
        credsStore: 'desktop',
      }),
      '.config/containers/auth.json': JSON.stringify({
        auths: { 'registry.example/team': { identitytoken: 'identity-secret' } },
      }),
      'etc/containers/registries.conf':
        '[[registry]]\nprefix = "docker.io"\nlocation = "docker.io"\n[[registry.mirror]]\nlocation = "hub.example"\n' +
        '[[registry]]\nprefix = "bad.example"\nlocation = "bad.example"\nblocked = true\n',
      'etc/docker/daemon.json': '{"registry-mirrors": ["https://daemon.example"]}',
      'etc/containerd/certs.d/reg.example/hosts.toml': '[host."https://toml.example"]\n',
      '.config/docker/certs.d/tls.example/ca.crt': 'not read',
      'authority.pem': '-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n',
    });
    const { code, report, text } = await examine(cli, [], {
      HTTPS_PROXY: 'http://alice:correct-horse@proxy.example:3128',
      NO_PROXY: 'localhost,.example',
      MLIST_MIRRORS: 'quay.io=https://named.example',
      SSL_CERT_FILE: join(cli.folder, 'authority.pem'),
      DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { 'ci.example': { auth: auth('alice') } } }),
    });
    expect(code).toBe(0);
    const config = join(cli.folder, '.docker/config.json');
    expect(report.logins.logins).toEqual([
      { registry: 'ci.example', from: 'DOCKER_AUTH_CONFIG' },
      { registry: 'gcr.io', from: config, helper: 'docker-credential-gcloud' },
      { registry: 'ghcr.io', from: config, helper: 'docker-credential-desktop' },
      { registry: 'quay.io', from: config, helper: 'docker-credential-desktop' },
      { registry: 'https://x.io/v2/', from: config, helper: 'docker-credential-desktop' },
      { registry: '*', from: config, helper: 'docker-credential-desktop' },
      { registry: 'registry.example/team', from: join(cli.folder, '.config/containers/auth.json') },
    ]);
    const from = (name: string) => join(cli.folder, name);
    expect(report.mirrors.rules).toEqual([
      { registry: 'quay.io', hosts: ['named.example'], isBlocked: false, from: 'MLIST_MIRRORS' },
      { registry: 'docker.io', hosts: ['hub.example'], isBlocked: false, from: from('etc/containers/registries.conf') },
      { registry: 'bad.example', hosts: [], isBlocked: true, from: from('etc/containers/registries.conf') },
      { registry: 'docker.io', hosts: ['daemon.example'], isBlocked: false, from: from('etc/docker/daemon.json') },
      {
        registry: 'reg.example',
        hosts: ['toml.example'],
        isBlocked: false,
        from: from('etc/containerd/certs.d/reg.example/hosts.toml'),
      },
    ]);
    expect(report.proxies).toEqual([
      { name: 'HTTPS_PROXY', value: 'http://proxy.example:3128', hasLogin: true },
      { name: 'NO_PROXY', value: 'localhost,.example', hasLogin: false },
    ]);
    expect(report.certificates).toEqual(
      expect.arrayContaining([
        { from: 'SSL_CERT_FILE', path: from('authority.pem'), count: 1 },
        { from: 'tls.example', path: from('.config/docker/certs.d/tls.example'), count: 1 },
      ]),
    );
    for (const part of [
      'HTTPS_PROXY: http://proxy.example:3128 (with credentials)',
      'bad.example: blocked',
      'Variables',
    ])
      expect(text).toContain(part);
  });

  test('with files and variables that cannot be used: reports each, and exits with 0', async () => {
    const cli = await machineWith({
      '.docker/config.json': '{"auths": correct-horse',
      'etc/containers/registries.conf': '[[registry]]\nblocked = "yes"\n',
      'etc/docker/daemon.json': '[]',
      '.local/share': 'a file in place of a folder',
    });
    const { code, report } = await examine(cli, [], {
      HTTP_PROXY: 'ftp://alice:correct-horse@proxy.example',
      MLIST_MIRRORS: 'nonsense',
      SSL_CERT_FILE: join(cli.folder, 'missing.pem'),
      CONTAINER_HOST: 'http://nowhere',
      MLIST_NO_MIRRORS: '1',
    });
    expect(code).toBe(0);
    const problem: unknown = expect.any(String);
    expect(report).toMatchObject({
      workspace: { writable: false, problem },
      proxies: [{ name: 'HTTP_PROXY', problem }],
      mirrors: {
        isOff: true,
        files: [
          { path: 'MLIST_MIRRORS', problem },
          { path: join(cli.folder, 'etc/containers/registries.conf'), problem },
          { path: join(cli.folder, 'etc/docker/daemon.json'), problem },
        ],
      },
      logins: { files: [{ path: join(cli.folder, '.docker/config.json'), problem }], logins: [] },
    });
    expect(report.certificates).toContainEqual({
      from: 'SSL_CERT_FILE',
      path: join(cli.folder, 'missing.pem'),
      problem: expect.stringContaining('no such file') as unknown,
    });
    expect(report.engines).toContainEqual(
      expect.objectContaining({
        engine: 'podman',
        reachable: false,
        problem: expect.stringContaining('CONTAINER_HOST'),
      }),
    );
  });

  test('with folders that cannot be read: reports each', async () => {
    const cli = await machineWith();
    const [dropIns, certificates] = ['etc/containers/registries.conf.d', 'etc/containerd/certs.d'].map((name) =>
      join(cli.folder, name),
    );
    const loops = [dropIns, certificates, join(cli.workspace, 'drafts')].flatMap((path) => path ?? []);
    for (const path of loops) {
      await mkdir(dirname(path), { recursive: true });
      await symlink(basename(path), path);
    }
    const { report, text } = await examine(cli);
    const problem: unknown = expect.any(String);
    expect(report.mirrors.files).toEqual([
      { path: dropIns, problem },
      { path: certificates, problem },
    ]);
    expect(report.workspace).not.toHaveProperty('drafts');
    expect(text).toContain(`${cli.workspace} (user): unreadable drafts, writable`);
  });

  (getuid?.() === 0 ? test : test.skip)('in the project of another user', async () => {
    const cli = await machineWith({ 'project/.mlist/state.json': '{}' });
    await chown(join(cli.folder, 'project/.mlist'), 12_345, 12_345);
    const { code, stdout } = await cli.run(['doctor', '--json'], { cwd: join(cli.folder, 'project') });
    expect([code, (JSON.parse(stdout) as Report).workspace]).toEqual([
      0,
      { problem: expect.stringContaining('belongs to another user') as unknown },
    ]);
  });

  test('with engines: one answers, the other does not', async () => {
    const [docker, podman] = [await startEngine('containerd'), await startEngine('podman')];
    podman.fault = () => true;
    const { report, text } = await examine(await CliHarness.make(), [], {
      DOCKER_HOST: docker.host,
      CONTAINER_HOST: podman.host,
    });
    expect(report.engines).toEqual([
      { engine: 'docker-daemon', address: docker.host, from: 'DOCKER_HOST', reachable: true, store: 'containerd' },
      {
        engine: 'podman',
        address: podman.host,
        from: 'CONTAINER_HOST',
        reachable: false,
        problem: expect.stringContaining('no response within') as unknown,
      },
    ]);
    expect(text).toContain('containerd image store');
    expect(docker.requests.every((path) => ['/version', '/info'].includes(path))).toBe(true);
  });
});

describe('a registry', () => {
  async function registryWith(options: ServerOptions = {}) {
    const paths: string[] = [];
    const registry = cleanup(await startRegistry({ ...options, onRequest: ({ path }) => paths.push(path) }));
    return { ...registry, host: registry.host, paths };
  }

  test('receives no request if it is not named, although a login and a mirror name it', async () => {
    const { host, paths } = await registryWith();
    const cli = await machineWith({
      '.docker/config.json': JSON.stringify({ auths: { [host]: { auth: auth('alice') } } }),
    });
    await examine(cli, [], { MLIST_MIRRORS: `docker.io=http://${host}` });
    expect(paths).toEqual([]);
  });

  test('over http, with a login: sends one request without it', async () => {
    const logins: unknown[] = [];
    const { host, paths } = await registryWith({
      intercept: ({ headers }, response) => {
        logins.push(headers.authorization);
        const challenge = 'Bearer realm="https://token.example/t?key=correct-horse",service="x"';
        return response.writeHead(401, { 'www-authenticate': challenge }).end() === response;
      },
    });
    const path = '.docker/config.json';
    const cli = await machineWith({ [path]: JSON.stringify({ auths: { [host]: { auth: auth('alice') } } }) });
    const { code, report, text } = await examine(cli, [host]);
    expect([code, paths, logins]).toEqual([0, ['/v2/', '/v2/'], [undefined, undefined]]);
    expect(report.registry).toMatchObject({
      registry: host,
      status: 401,
      authentication: [{ scheme: 'bearer', realm: 'https://token.example/t?key=***' }],
      login: join(cli.folder, path),
      problems: [],
    });
    expect(text).toContain('requires a login: bearer from https://token.example/t');
  });

  test.each([
    [3600, 'behind'],
    [-3600, 'ahead of'],
  ])('whose clock is %d s ahead', async (seconds, side) => {
    const { host } = await registryWith({
      intercept: (_request, response) => {
        const date = new Date(Date.now() + seconds * 1000).toUTCString();
        return response.writeHead(200, { date }).end('{}') === response;
      },
    });
    const { report, text } = await examine(await CliHarness.make(), [host]);
    expect(Math.abs(Number(report.registry?.['clockSkewSeconds']) - seconds)).toBeLessThan(60);
    expect(text).toContain(`${side} the clock of the registry: tokens`);
  });

  test('that is not allowed gets no login, and no helper is asked for it', async () => {
    const { host } = await registryWith();
    const cli = await machineWith({
      '.docker/config.json': JSON.stringify({ credHelpers: { [host]: 'missing' } }),
    });
    const { code, report, text } = await examine(cli, [host, '--allow-registry', 'ghcr.io']);
    expect([code, report.registry]).toEqual([0, expect.objectContaining({ loginAllowed: false, problems: [] })]);
    expect(text).toContain('no credentials are sent: not an allowed registry');
  });

  test('that cannot be reached: the report, and exit code 7', async () => {
    const { code, report } = await examine(await CliHarness.make(), ['localhost:1', '--retries', '0']);
    expect([code, report.registry?.['problems']]).toEqual([
      7,
      [expect.objectContaining({ code: 'ERR_MLIST_NETWORK', exitCode: 7 })],
    ]);
  });

  test('that is not a host is a usage error', async () => {
    const { code, stdout } = await (await CliHarness.make()).run(['doctor', 'https://me:secret@/x']);
    expect([code, stdout]).toEqual([2, '']);
  });

  (hasOpenssl() ? test : test.skip)('with a certificate that is not trusted, and with its authority', async () => {
    const authority = new Authority(await temporaryFolder(), 'Example Authority');
    const { host } = await registryWith({ tls: authority.sign('server') });
    const cli = await machineWith({ 'ca.pem': authority.certificate.cert });
    await mkdir(join(cli.folder, `.docker/certs.d/${host}`), { recursive: true });
    const named = host.replace('127.0.0.1', 'localhost');
    const trusted = await examine(cli, [named, '--ca-file', 'ca.pem']);
    expect([trusted.code, trusted.report.registry]).toMatchObject([
      0,
      { verified: true, certificate: { owner: 'server', issuer: 'Example Authority' } },
    ]);
    await writeFile(join(cli.folder, 'other.pem'), new Authority(await temporaryFolder()).certificate.cert);
    const untrusted = await examine(cli, [named, '--ca-file', 'other.pem']);
    expect([untrusted.code, untrusted.report.registry]).toMatchObject([
      7,
      { certificate: { issuer: 'Example Authority' }, problems: [{ code: 'ERR_MLIST_NETWORK' }] },
    ]);
    expect(untrusted.text).toContain('hint: ');
    const insecure = await examine(cli, [named, '--ca-file', 'other.pem', '--insecure']);
    expect([insecure.code, insecure.report.registry]).toMatchObject([0, { verified: false }]);
    expect(insecure.text).toContain(', not verified');
  });
});
