import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { storedCredentials } from '../../../src/store/registry/credentials/stored-credentials.ts';
import { parseChallenges } from '../../../src/store/registry/auth/challenge.ts';
import { withFolder } from '../samples.ts';

/** The files and the environment of a test. */
interface Case {
  readonly files?: Readonly<Record<string, string | object>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly authFile?: string;
}

const basic = (login: string) => ({ auth: Buffer.from(login).toString('base64') });
const auths = (entries: Readonly<Record<string, object>>) => ({ auths: entries });

interface Search {
  readonly find: (name: string) => Promise<string | undefined>;
  readonly warnings: readonly string[];
  /** The path of a file with one line for each call of a helper. */
  readonly log: string;
}

/** Runs a test with its files in a temporary home folder. `~` in a variable stands for that folder. */
function withCredentials(setup: Case, work: (search: Search) => Promise<void>): Promise<void> {
  return withFolder(async (folder) => {
    for (const [name, content] of Object.entries(setup.files ?? {})) {
      const path = join(folder, name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
      if (name.startsWith('bin/')) await chmod(path, 0o755);
    }
    const variables = Object.entries(setup.env ?? {}).map(
      ([name, value]) => [name, value.replaceAll('~', folder)] as const,
    );
    const env: Readonly<Record<string, string>> = {
      PATH: `${join(folder, 'bin')}:/usr/bin:/bin`,
      LOG: join(folder, 'log'),
      ...Object.fromEntries(variables),
    };
    const warnings: string[] = [];
    const { authFile } = setup;
    const source = storedCredentials({
      env,
      home: folder,
      platform: 'linux',
      authFile: authFile === undefined ? undefined : join(folder, authFile),
      onWarning: (message) => warnings.push(message),
    });
    const find = async (name: string) => {
      const slash = name.indexOf('/');
      const credentials = await source(slash < 0 ? name : name.slice(0, slash), slash < 0 ? '' : name.slice(slash + 1));
      if (credentials?.type === 'basic') return `${credentials.username}:${credentials.password}`;
      return credentials && `${credentials.type} ${credentials.token}`;
    };
    await work({ find, warnings, log: join(folder, 'log') });
  });
}

const config = (content: object) => ({ '.docker/config.json': content });

/** A credential helper that knows some keys, and logs its calls. */
function helper(
  known: Readonly<Record<string, readonly [string, string]>>,
  otherwise = 'credentials not found in native keychain',
): string {
  const cases = Object.entries(known).map(
    ([key, [user, secret]]) =>
      `  '${key}') echo '${JSON.stringify({ ServerURL: key, Username: user, Secret: secret })}';;`,
  );
  return `#!/bin/sh\nread -r key\necho "$1 $key" >> "$LOG"\ncase "$key" in\n${cases.join('\n')}\n  *) echo '${otherwise}'; exit 1;;\nesac\n`;
}

describe('credentials in files', () => {
  const hub = 'https://index.docker.io/v1/';

  test.each<[string, Case, string, string | undefined]>([
    ['uses the entry of the host', { files: config(auths({ 'r.test': basic('a:b') })) }, 'r.test/x', 'a:b'],
    [
      'uses the entry of the host with its port',
      { files: config(auths({ 'r.test:5000': basic('a:b') })) },
      'r.test:5000/x',
      'a:b',
    ],
    [
      'ignores an entry of another port',
      { files: config(auths({ 'r.test:5000': basic('a:b') })) },
      'r.test/x',
      undefined,
    ],
    [
      'ignores a host with the same prefix',
      { files: config(auths({ 'r.test.evil.test': basic('a:b') })) },
      'r.test/x',
      undefined,
    ],
    ['ignores a subdomain', { files: config(auths({ 'a.r.test': basic('a:b') })) }, 'r.test/x', undefined],
    ['uses an https URL', { files: config(auths({ 'https://r.test/v2/': basic('a:b') })) }, 'r.test/x', 'a:b'],
    [
      'prefers https to http',
      { files: config(auths({ 'http://r.test': basic('c:d'), 'https://r.test': basic('a:b') })) },
      'r.test/x',
      'a:b',
    ],
    [
      'prefers the exact key to https',
      { files: config(auths({ 'https://r.test': basic('c:d'), 'r.test': basic('a:b') })) },
      'r.test/x',
      'a:b',
    ],
    ['uses the key of Docker Hub', { files: config(auths({ [hub]: basic('a:b') })) }, 'docker.io/x/y', 'a:b'],
    [
      'uses the key that podman writes for Docker Hub',
      { files: config(auths({ 'docker.io': basic('a:b') })) },
      'docker.io/x/y',
      'a:b',
    ],
    [
      'uses the API host of Docker Hub',
      { files: config(auths({ 'registry-1.docker.io': basic('a:b') })) },
      'docker.io/x/y',
      'a:b',
    ],
    [
      'uses a namespace',
      { files: config(auths({ 'r.test': basic('a:b'), 'r.test/team': basic('c:d') })) },
      'r.test/team/app',
      'c:d',
    ],
    [
      'uses the longest namespace',
      { files: config(auths({ 'r.test/team': basic('a:b'), 'r.test/team/app': basic('c:d') })) },
      'r.test/team/app',
      'c:d',
    ],
    [
      'ignores another namespace',
      { files: config(auths({ 'r.test/team': basic('a:b') })) },
      'r.test/teamwork/app',
      undefined,
    ],
    [
      'ignores a namespace for the whole registry',
      { files: config(auths({ 'r.test/team': basic('a:b') })) },
      'r.test',
      undefined,
    ],
    [
      'uses a namespace of Docker Hub',
      { files: config(auths({ 'docker.io/team': basic('c:d'), [hub]: basic('a:b') })) },
      'docker.io/team/app',
      'c:d',
    ],
    ['accepts a colon in the password', { files: config(auths({ 'r.test': basic('a:b:c') })) }, 'r.test/x', 'a:b:c'],
    ['ignores NULs at the end', { files: config(auths({ 'r.test': basic('a:b\0\0') })) }, 'r.test/x', 'a:b'],
    [
      'reads username and password',
      { files: config(auths({ 'r.test': { username: 'a', password: 'b' } })) },
      'r.test/x',
      'a:b',
    ],
    [
      'prefers auth to username and password',
      { files: config(auths({ 'r.test': { ...basic('a:b'), username: 'c', password: 'd' } })) },
      'r.test/x',
      'a:b',
    ],
    ['ignores an empty password', { files: config(auths({ 'r.test': basic('a:') })) }, 'r.test/x', undefined],
    [
      'ignores an empty entry',
      { files: config(auths({ 'r.test': {}, 'https://r.test': basic('a:b') })) },
      'r.test/x',
      'a:b',
    ],
    [
      'reads an identity token',
      { files: config(auths({ 'r.test': { ...basic('a:b'), identitytoken: 't' } })) },
      'r.test/x',
      'identity t',
    ],
    ['reads a registry token', { files: config(auths({ 'r.test': { registrytoken: 't' } })) }, 'r.test/x', 'bearer t'],
    ['accepts an empty file', { files: { '.docker/config.json': '' } }, 'r.test/x', undefined],
    ['accepts a missing file', {}, 'r.test/x', undefined],
    [
      'reads DOCKER_CONFIG',
      {
        files: { 'dc/config.json': auths({ 'r.test': basic('a:b') }), ...config(auths({ 'r.test': basic('c:d') })) },
        env: { DOCKER_CONFIG: '~/dc' },
      },
      'r.test/x',
      'a:b',
    ],
    [
      'prefers REGISTRY_AUTH_FILE to the file of Docker',
      {
        files: { f: auths({ 'r.test': basic('a:b') }), ...config(auths({ 'r.test': basic('c:d') })) },
        env: { REGISTRY_AUTH_FILE: '~/f' },
      },
      'r.test/x',
      'a:b',
    ],
    [
      'falls back from REGISTRY_AUTH_FILE to the file of Docker',
      { files: { f: auths({}), ...config(auths({ 'r.test': basic('c:d') })) }, env: { REGISTRY_AUTH_FILE: '~/f' } },
      'r.test/x',
      'c:d',
    ],
    [
      'reads no other file with --authfile',
      { files: { f: auths({}), ...config(auths({ 'r.test': basic('c:d') })) }, authFile: 'f' },
      'r.test/x',
      undefined,
    ],
    [
      'reads the auth.json of podman in XDG_RUNTIME_DIR',
      { files: { 'run/containers/auth.json': auths({ 'r.test': basic('a:b') }) }, env: { XDG_RUNTIME_DIR: '~/run' } },
      'r.test/x',
      'a:b',
    ],
    [
      'reads the auth.json of podman in the home folder',
      { files: { '.config/containers/auth.json': auths({ 'r.test': basic('a:b') }) } },
      'r.test/x',
      'a:b',
    ],
    [
      'reads the auth.json of podman in XDG_CONFIG_HOME',
      { files: { 'c/containers/auth.json': auths({ 'r.test': basic('a:b') }) }, env: { XDG_CONFIG_HOME: '~/c' } },
      'r.test/x',
      'a:b',
    ],
    ['reads ~/.dockercfg', { files: { '.dockercfg': { 'https://r.test/v1/': basic('a:b') } } }, 'r.test/x', 'a:b'],
    [
      'reads DOCKER_AUTH_CONFIG',
      {
        files: config(auths({ 'r.test': basic('c:d') })),
        env: { DOCKER_AUTH_CONFIG: JSON.stringify(auths({ 'r.test': basic('a:b') })) },
      },
      'r.test/x',
      'a:b',
    ],
    [
      'falls back from DOCKER_AUTH_CONFIG to the file',
      {
        files: config(auths({ 'r.test': basic('c:d') })),
        env: { DOCKER_AUTH_CONFIG: JSON.stringify(auths({ 'o.test': basic('a:b') })) },
      },
      'r.test/x',
      'c:d',
    ],
  ])('%s', (_name, setup, name, expected) =>
    withCredentials(setup, async ({ find }) => expect(await find(name)).toBe(expected)),
  );

  test.each<[string, string | object, string]>([
    ['is not JSON', '{', '.docker/config.json'],
    ['has a duplicate member', '{"auths":{},"auths":{}}', '.docker/config.json'],
    ['has an invalid auth', auths({ 'r.test': { auth: 'bm9uZQ==' } }), '.docker/config.json'],
    ['names a helper with a path', { credsStore: '../../bin/sh' }, '.docker/config.json'],
  ])('reports a file that %s by its path, without quoting it', (_name, content, path) =>
    withCredentials({ files: config(content as object) }, async ({ find }) => {
      await expect(find('r.test/x')).rejects.toMatchObject({
        code: 'ERR_MLIST_CREDENTIALS',
        exitCode: 6,
        message: expect.stringContaining(path) as unknown,
      });
      await expect(find('r.test/x')).rejects.not.toThrow(/bm9uZQ|none/);
    }),
  );

  test.each([
    '{',
    '{"auths":{},"credsStore":"x"}',
    '{"auths":{"r.test":{"auth":"YTpi","email":"x"}}}',
    '{"auths":{"r.test":{}}}',
  ])('ignores a DOCKER_AUTH_CONFIG of %s with a warning', (value) =>
    withCredentials(
      { files: config(auths({ 'r.test': basic('c:d') })), env: { DOCKER_AUTH_CONFIG: value } },
      async ({ find, warnings }) => {
        expect(await find('r.test/x')).toBe('c:d');
        expect(warnings[0]).toContain('DOCKER_AUTH_CONFIG');
      },
    ),
  );

  test('requires the file of --authfile to exist', () =>
    withCredentials({ authFile: 'missing' }, async ({ find }) => {
      await expect(find('r.test/x')).rejects.toMatchObject({ code: 'ERR_MLIST_NOT_FOUND' });
    }));
});

const hasShell = process.platform !== 'win32';
(hasShell ? describe : describe.skip)(`credentials in helpers${hasShell ? '' : ' (skipped: no /bin/sh)'}`, () => {
  const own = {
    'bin/docker-credential-own': helper({
      'r.test': ['a', 'b'],
      'https://index.docker.io/v1/': ['h', 'i'],
      't.test': ['<token>', 'id'],
    }),
  };
  const keychain = { 'bin/docker-credential-secretservice': helper({ 'r.test': ['k', 'l'] }) };

  test.each<[string, Case, string, string | undefined]>([
    ['asks credsStore', { files: { ...own, ...config({ credsStore: 'own' }) } }, 'r.test/x', 'a:b'],
    [
      'asks credHelpers first',
      { files: { ...own, ...config({ credHelpers: { 'r.test': 'own' }, credsStore: 'none' }) } },
      'r.test/x',
      'a:b',
    ],
    ['by the key of Docker Hub', { files: { ...own, ...config({ credsStore: 'own' }) } }, 'docker.io/x/y', 'h:i'],
    ['with an identity token', { files: { ...own, ...config({ credsStore: 'own' }) } }, 't.test/x', 'identity id'],
    [
      'which has none, so that the file’s password is not used',
      { files: { ...own, ...config({ credsStore: 'own', ...auths({ 'o.test': basic('c:d') }) }) } },
      'o.test/x',
      undefined,
    ],
    [
      'which has none, but the file has a token',
      { files: { ...own, ...config({ credsStore: 'own', ...auths({ 'o.test': { identitytoken: 't' } }) }) } },
      'o.test/x',
      'identity t',
    ],
    ['that is the system’s, where nothing is said', { files: keychain }, 'r.test/x', 'k:l'],
    [
      'that is the system’s, but Docker has a login for something',
      { files: { ...keychain, ...config(auths({ 'o.test': basic('c:d') })) } },
      'r.test/x',
      undefined,
    ],
    [
      'that is the system’s, after podman’s file',
      { files: { ...keychain, '.config/containers/auth.json': auths({ 'r.test': basic('a:b') }) } },
      'r.test/x',
      'a:b',
    ],
    [
      'that is not called where its name is empty',
      { files: config({ credsStore: '', ...auths({ 'r.test': basic('a:b') }) }) },
      'r.test/x',
      'a:b',
    ],
  ])('%s', (_name, setup, name, expected) =>
    withCredentials(setup, async ({ find }) => expect(await find(name)).toBe(expected)),
  );

  test.each<[string, string]>([
    ['fails', helper({}, 'the keychain is locked: my-secret')],
    ['prints no JSON', '#!/bin/sh\necho "{my-secret"\n'],
    ['prints no secret', '#!/bin/sh\necho \'{"Username":"my-secret"}\'\n'],
  ])('reports a helper that %s without quoting its output', (_name, script) =>
    withCredentials(
      { files: { 'bin/docker-credential-own': script, ...config({ credsStore: 'own' }) } },
      async ({ find }) => {
        await expect(find('r.test/x')).rejects.toMatchObject({ code: 'ERR_MLIST_CREDENTIALS' });
        await expect(find('r.test/x')).rejects.not.toThrow(/my-secret/);
      },
    ),
  );

  test('reports a missing helper', () =>
    withCredentials({ files: config({ credsStore: 'missing' }) }, async ({ find }) => {
      await expect(find('r.test/x')).rejects.toThrow('docker-credential-missing');
    }));

  test('ignores a keychain that fails with a warning', () =>
    withCredentials(
      { files: { 'bin/docker-credential-secretservice': helper({}, 'no bus') } },
      async ({ find, warnings }) => {
        expect(await find('r.test/x')).toBeUndefined();
        expect(warnings).toHaveLength(1);
      },
    ));

  test('asks a helper once for a host', () =>
    withCredentials({ files: { ...own, ...config({ credsStore: 'own' }) } }, async ({ find, log }) => {
      await Promise.all([find('r.test/x'), find('r.test/y'), find('r.test/x')]);
      const { readFile } = await import('node:fs/promises');
      expect(await readFile(log, 'utf8')).toBe('get r.test\n');
    }));
});

describe('challenges', () => {
  const realm = { realm: 'https://a.test/token' };

  test.each<[string, readonly [string, Readonly<Record<string, string>>][]]>([
    ['Basic', [['basic', {}]]],
    [
      'Bearer realm="https://a.test/token",service="s",scope="repository:a:pull,push"',
      [['bearer', { ...realm, service: 's', scope: 'repository:a:pull,push' }]],
    ],
    ['BEARER Realm=x , SERVICE = y', [['bearer', { realm: 'x', service: 'y' }]]],
    [
      'Basic realm="a, \\"b\\"", Bearer realm="https://a.test/token"',
      [
        ['basic', { realm: 'a, "b"' }],
        ['bearer', realm],
      ],
    ],
    [
      'Negotiate, NTLM abc==, Bearer realm="https://a.test/token", scope=""',
      [
        ['negotiate', {}],
        ['ntlm', {}],
        ['bearer', { ...realm, scope: '' }],
      ],
    ],
    ['Bearer realm="https://a.test/token",realm="https://b.test"', [['bearer', realm]]],
    [',, Basic realm=x,,', [['basic', { realm: 'x' }]]],
    ['', []],
    ['"', []],
    ['Bearer realm="unended', [['bearer', { realm: '' }]]],
  ])('%s', (header, expected) => {
    expect(parseChallenges(header).map(({ scheme, parameters }) => [scheme, parameters])).toEqual(expected);
  });
});
