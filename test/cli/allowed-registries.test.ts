import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { createClient } from '../../src/index.ts';
import { optionsOf } from '../../src/cli/args/global-options.ts';
import { commands } from '../../src/cli/commands/commands.ts';
import { cleanup } from '../support/cleanup.ts';
import { CliHarness, type CliHarnessOptions, type CliResult } from '../support/cli-harness.ts';
import { makeImage } from '../support/images.ts';
import { expectFits } from '../support/schemas.ts';
import { ScriptedHosts, type HostRule, type ScriptedHost } from '../support/scripted-hosts.ts';

/** --allow-registry: logins and writes are limited to the registries that it names. */
const image = makeImage({ kind: 'oci' });
const arm = makeImage({ kind: 'oci', platform: { os: 'linux', architecture: 'arm64' } });
const PASSWORD = 'secret-of-the-user';
const auth = Buffer.from(`me:${PASSWORD}`).toString('base64');

/** A registry with a token service, which issues the token `anonymous` or `token-of-USER`. */
const withTokens: HostRule = ({ headers }, response) => {
  if (headers.authorization?.startsWith('Bearer ') === true) return false;
  const challenge = 'Bearer realm="http://auth.corp.test/token",service="registry"';
  response.writeHead(401, { 'www-authenticate': challenge }).end();
  return true;
};
const tokenService: HostRule = ({ user }, response) => {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ token: user === undefined ? 'anonymous' : `token-of-${user}` }));
  return true;
};

const defaultHosts: Readonly<Record<string, ScriptedHost>> = {
  'reg.corp.test': { image, rule: withTokens },
  'auth.corp.test': { rule: tokenService },
  'corp.test': { image, requiresLogin: true },
  'private.test': { image, requiresLogin: true },
  'public.test': { image },
  'arm.test': { image: arm },
  'mirror.test': { image, requiresLogin: true },
};
const names = Object.keys(defaultHosts);

class Scene {
  readonly hosts: ScriptedHosts;
  readonly cli: CliHarness;

  private constructor(hosts: ScriptedHosts, cli: CliHarness) {
    this.hosts = hosts;
    this.cli = cli;
  }

  /** There is a login for every host. */
  static async make(): Promise<Scene> {
    const scene = new Scene(cleanup(await ScriptedHosts.start(defaultHosts)), await CliHarness.make());
    const auths = Object.fromEntries(names.map((host) => [host, { auth }]));
    await scene.write('.docker/config.json', JSON.stringify({ auths }));
    return scene;
  }

  async write(path: string, text: string): Promise<string> {
    const absolute = join(this.cli.folder, path);
    await mkdir(dirname(absolute), { recursive: true });
    await writeFile(absolute, text);
    return absolute;
  }

  async run(args: readonly string[], { env = {}, ...more }: CliHarnessOptions = {}): Promise<CliResult> {
    const plain = names.flatMap((host) => ['--plain-http', host]);
    return this.cli.run([...args, ...plain, '--retries', '0'], { ...more, env: { ...this.hosts.env, ...env } });
  }

  /** The hosts that have received a user name or a token of a user. */
  get loggedIn(): readonly string[] {
    const withLogin = this.hosts.requests.filter(
      ({ user, headers }) => user !== undefined || headers.authorization?.includes('token-of') === true,
    );
    return [...new Set(withLogin.map(({ host }) => host))];
  }
}

describe('a registry that is not allowed', () => {
  test('gets no login, and the error says so', async () => {
    const scene = await Scene.make();
    const result = await scene.run(['digest', 'private.test/app:1', '--allow-registry', 'corp.test']);
    expect(result).toMatchObject({ code: 6, stdout: '' });
    expect(result.stderr).toContain('No credentials were sent, because private.test is not an allowed registry');
    expect(result.stderr).toContain('--allow-registry private.test');
    expect(scene.loggedIn).toEqual([]);
  });

  test('is read anonymously if it serves everybody', async () => {
    const scene = await Scene.make();
    const result = await scene.run(['digest', 'public.test/app:1', '--allow-registry', 'corp.test']);
    expect(result).toMatchObject({ code: 0, stdout: `${image.digest}\n` });
  });

  test('gets an anonymous token', async () => {
    const scene = await Scene.make();
    const result = await scene.run(['digest', 'reg.corp.test/app:1', '--allow-registry', 'corp.test']);
    expect(result).toMatchObject({ code: 0, stdout: `${image.digest}\n` });
    expect(scene.hosts.to('auth.corp.test')).toHaveLength(1);
    expect(scene.loggedIn).toEqual([]);
  });

  test('is not looked up in a credential helper', async () => {
    const scene = await Scene.make();
    const asked = join(scene.cli.folder, 'asked');
    const helper = await scene.write('bin/docker-credential-noting', `#!/bin/sh\ncat >> ${asked}\necho '{}'\n`);
    await chmod(helper, 0o755);
    await scene.write('.docker/config.json', JSON.stringify({ credsStore: 'noting' }));
    const env = { PATH: `${dirname(helper)}:${process.env['PATH'] ?? ''}` };
    await scene.run(['digest', 'private.test/app:1', '--allow-registry', 'corp.test'], { env });
    await scene.run(['digest', 'corp.test/app:1', '--allow-registry', 'corp.test'], { env });
    expect(await readFile(asked, 'utf8')).toBe('corp.test');
  });

  test('gets no login that the user types', async () => {
    const scene = await Scene.make();
    const login = ['login', 'private.test', '--username', 'me', '--password-stdin', '--allow-registry', 'corp.test'];
    const result = await scene.run(login, { stdin: PASSWORD });
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toMatch(
      /cannot log in to private\.test: it is not an allowed registry\nhint: To send credentials to private\.test, add /,
    );
    expect(scene.hosts.requests).toEqual([]);
  });

  const writes: readonly (readonly string[])[] = [
    ['copy', 'corp.test/app:1', 'public.test/app:1'],
    ['create', 'public.test/app:2', 'corp.test/app:1', '--push'],
    ['create', 'public.test/app:2', 'corp.test/app:1', '--push', '--dry-run'],
    ['create', 'corp.test/app:2', 'corp.test/app:1', '--push', '--tag', 'public.test/app:2', '--dry-run'],
    ['join', 'public.test/app:2', 'corp.test/app:1', '--group', 'run-1', '--expect', 'linux/amd64'],
    ['delete', 'public.test/app:1'],
    ['apply', '-f', '-'],
    ['apply', '-f', '-', '--dry-run'],
  ];
  test.each(writes.map((args): [string, readonly string[]] => [args.join(' '), args]))(
    'is not written to by %s',
    async (_name, args) => {
      const scene = await Scene.make();
      const stdin = 'list: public.test/app:2\nmanifests: [corp.test/app:1]\n';
      const result = await scene.run([...args, '--allow-registry', 'corp.test'], { stdin });
      expect(result.code).toBe(2);
      expect(result.stderr).toContain('cannot write to public.test/app: public.test is not an allowed registry');
      const written = scene.hosts.to('public.test').filter(({ method }) => method !== 'GET' && method !== 'HEAD');
      expect(written).toEqual([]);
    },
  );

  test('has no login as a mirror either', async () => {
    const scene = await Scene.make();
    const read = ['digest', `corp.test/app@${image.digest}`, '--mirror', 'corp.test=http://mirror.test'];
    const result = await scene.run([...read, '--allow-registry', 'corp.test']);
    expect(result).toMatchObject({ code: 0, stdout: `${image.digest}\n` });
    expect(scene.loggedIn).toEqual(['corp.test']);
    await scene.run([...read, '--allow-registry', 'corp.test', '--allow-registry', 'mirror.test']);
    expect(scene.loggedIn).toEqual(['corp.test', 'mirror.test']);
  });

  test('is only read by a client of the library', async () => {
    const scene = await Scene.make();
    const hosts: string[] = [];
    const client = createClient({
      allowedRegistries: ['corp.test'],
      env: scene.hosts.env,
      plainHttp: names,
      retries: 0,
      credentials: (registry) => {
        hosts.push(registry);
        return Promise.resolve({ type: 'basic', username: 'me', password: PASSWORD });
      },
    });
    cleanup(client);
    await expect(client.inspect('private.test/app:1')).rejects.toMatchObject({ code: 'ERR_MLIST_UNAUTHORIZED' });
    await expect(client.copy('corp.test/app:1', 'public.test/app:1')).rejects.toMatchObject({
      code: 'ERR_MLIST_BLOCKED',
    });
    expect(await client.inspect('corp.test/app:1')).toMatchObject({ descriptor: { digest: image.digest } });
    expect(new Set(hosts)).toEqual(new Set(['corp.test']));
  });
});

test('no command takes a password as an argument', async () => {
  const scene = await Scene.make();
  const result = await scene.run(['login', 'private.test', '--username', 'me', '--password', PASSWORD]);
  expect(result).toMatchObject({ code: 2, stdout: '' });
  expect(result.stderr).not.toContain(PASSWORD);
  expect(scene.hosts.requests).toEqual([]);
  const values = commands.flatMap(optionsOf).map(({ value = '' }) => value);
  expect(values.filter((value) => /PASS|SECRET|TOKEN/.test(value))).toEqual([]);
});

describe('an allowed registry', () => {
  const allowed: readonly (readonly [pattern: string, registry: string])[] = [
    ['corp.test', 'corp.test'],
    ['CORP.test', 'corp.test'],
    ['*.corp.test', 'reg.corp.test'],
    ['*.test', 'reg.corp.test'],
  ];
  test.each(allowed)('%s allows %s', async (pattern, registry) => {
    const scene = await Scene.make();
    expect(await scene.run(['digest', `${registry}/app:1`, '--allow-registry', pattern])).toMatchObject({ code: 0 });
    expect(scene.loggedIn).toContain(registry);
  });

  const others: readonly (readonly [pattern: string, registry: string])[] = [
    ['*.corp.test', 'corp.test'],
    ['corp.test:443', 'corp.test'],
    ['rp.test', 'corp.test'],
    ['corp.test', 'reg.corp.test'],
  ];
  test.each(others)('%s does not allow %s', async (pattern, registry) => {
    const scene = await Scene.make();
    await scene.run(['digest', `${registry}/app:1`, '--allow-registry', pattern]);
    expect(scene.hosts.to(registry).length).toBeGreaterThan(0);
    expect(scene.loggedIn).toEqual([]);
  });

  test('sends its login to its token service, which need not be allowed', async () => {
    const scene = await Scene.make();
    const result = await scene.run(['digest', 'reg.corp.test/app:1', '--allow-registry', 'reg.corp.test']);
    expect(result).toMatchObject({ code: 0, stdout: `${image.digest}\n` });
    expect(scene.loggedIn).toEqual(['auth.corp.test', 'reg.corp.test']);
  });

  const lists: readonly (readonly [string, Readonly<Record<string, string>>, readonly string[], number])[] = [
    ['MLIST_ALLOW_REGISTRIES', { MLIST_ALLOW_REGISTRIES: 'a.test, corp.test b.test' }, [], 0],
    ['another MLIST_ALLOW_REGISTRIES', { MLIST_ALLOW_REGISTRIES: 'a.test' }, [], 6],
    ['an empty MLIST_ALLOW_REGISTRIES', { MLIST_ALLOW_REGISTRIES: '' }, [], 0],
    ['an option, which replaces it', { MLIST_ALLOW_REGISTRIES: 'a.test' }, ['--allow-registry', 'corp.test'], 0],
    ['another option', { MLIST_ALLOW_REGISTRIES: 'corp.test' }, ['--allow-registry', 'a.test'], 6],
  ];
  test.each(lists)('%s is used', async (_name, env, options, code) => {
    const scene = await Scene.make();
    expect(await scene.run(['digest', 'corp.test/app:1', ...options], { env })).toMatchObject({ code });
  });
});

describe('an invalid pattern is refused', () => {
  const patterns = [
    '',
    '*',
    '*.',
    '.corp.test',
    'https://corp.test',
    'corp.test/team',
    'a.test,b.test',
    'corp',
    'c*.test',
  ];
  test.each([...patterns, '*.corp.test/x', 'corp.test:0', 'corp.test:99999', 'me@corp.test'])('%s', async (pattern) => {
    const scene = await Scene.make();
    const result = await scene.run(['digest', 'public.test/app:1', '--allow-registry', pattern]);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toContain('--allow-registry takes HOST, HOST:PORT or *.DOMAIN');
    expect(scene.hosts.requests).toEqual([]);
  });

  test('in MLIST_ALLOW_REGISTRIES, also one without any host', async () => {
    const scene = await Scene.make();
    const run = (value: string) =>
      scene.run(['digest', 'public.test/app:1'], { env: { MLIST_ALLOW_REGISTRIES: value } });
    expect(await run('corp.test https://x')).toMatchObject({ code: 2 });
    expect(await run(' , ')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('contains no registry') as unknown,
    });
    expect(() => createClient({ allowedRegistries: ['https://x'] })).toThrow(/allowedRegistries takes HOST/);
  });
});

describe('a dry run lists the hosts', () => {
  test('with the places of the logins, and without user names and secrets', async () => {
    const scene = await Scene.make();
    const args = ['create', 'reg.corp.test/app:2', 'corp.test/app:1', 'arm.test/app:1'];
    const options = ['--push', '--dry-run', '--allow-registry', '*.corp.test', '--allow-registry', 'corp.test'];
    const { code, stdout, stderr } = await scene.run([...args, ...options]);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const config = join(scene.cli.folder, '.docker', 'config.json');
    const lines = stderr.split('\n');
    expect(lines.slice(lines.indexOf('hosts') + 1, lines.indexOf('hosts') + 4)).toEqual([
      `  write    reg.corp.test  credentials from ${config}, token service auth.corp.test`,
      '  read     arm.test       no credentials: not an allowed registry',
      `  read     corp.test      credentials from ${config}`,
    ]);
    expect(stdout + stderr).not.toMatch(/\bme\b|secret-of|token-of/);
  });

  test('of push and apply in --json', async () => {
    const scene = await Scene.make();
    await scene.run(['create', 'corp.test/app:2', 'public.test/app:1']);
    const pushed = await scene.run(['push', '--dry-run', '--json']);
    const stdin = 'list: corp.test/app:2\nmanifests: [public.test/app:1]\n';
    const applied = await scene.run(['apply', '-f', '-', '--dry-run', '--json'], { stdin });
    const place = join(scene.cli.folder, '.docker', 'config.json');
    const hosts = [
      { host: 'corp.test', access: 'write', mirror: false, login: 'stored', places: [place] },
      { host: 'public.test', access: 'read', mirror: false, login: 'stored', places: [place] },
    ];
    for (const [name, { code, stdout, stderr }] of [['push', pushed] as const, ['apply', applied] as const]) {
      expect({ code, stderr }).toMatchObject({ code: 0 });
      expect(JSON.parse(stdout)).toMatchObject({ hosts });
      expectFits(name, stdout);
    }
  });

  test('reports a login that cannot be read, and mirrors', async () => {
    const scene = await Scene.make();
    await scene.run(['create', 'public.test/app:2', 'corp.test/app:1']);
    await scene.write(
      '.docker/config.json',
      JSON.stringify({ auths: { 'corp.test': { auth } }, credHelpers: { 'public.test': 'gone' } }),
    );
    const mirrors = ['--mirror', 'corp.test=http://mirror.test'];
    const { code, stderr } = await scene.run(['push', '--dry-run', '--force', ...mirrors]);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stderr).toMatch(/ {2}write {4}public\.test {2,}the credentials cannot be read: .*docker-credential-gone/);
    expect(stderr).toMatch(/ {2}read {5}mirror\.test {2,}no credentials, mirror/);
  });

  test('is not part of a real push', async () => {
    const scene = await Scene.make();
    const { stderr } = await scene.run(['create', 'public.test/app:2', 'public.test/app:1', '--push']);
    expect(stderr).not.toContain('hosts\n');
  });
});
