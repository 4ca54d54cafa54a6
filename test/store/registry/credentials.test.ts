import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { storedCredentials } from '../../../src/store/registry/credentials/stored-credentials.ts';
import { parseChallenges } from '../../../src/store/registry/auth/challenge.ts';
import { withFolder } from '../samples.ts';

/** A home with files in it, and what is found there for a repository. */
interface Case {
  readonly files?: Readonly<Record<string, string | object>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly authFile?: string;
}

const basic = (login: string) => ({ auth: Buffer.from(login).toString('base64') });
const auths = (entries: Readonly<Record<string, object>>) => ({ auths: entries });

interface Looking {
  readonly found: (name: string) => Promise<string | undefined>;
  readonly warnings: readonly string[];
  /** What each helper was asked. */
  readonly log: string;
}

function looking(one: Case, work: (looking: Looking) => Promise<void>): Promise<void> {
  return withFolder(async (folder) => {
    for (const [name, content] of Object.entries(one.files ?? {})) {
      const path = join(folder, name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
      if (name.startsWith('bin/')) await chmod(path, 0o755);
    }
    const here = Object.entries(one.env ?? {}).map(([name, value]) => [name, value.replaceAll('~', folder)] as const);
    const env: Readonly<Record<string, string>> = {
      PATH: `${join(folder, 'bin')}:/usr/bin:/bin`,
      LOG: join(folder, 'log'),
      ...Object.fromEntries(here),
    };
    const warnings: string[] = [];
    const { authFile } = one;
    const source = storedCredentials({
      env,
      home: folder,
      platform: 'linux',
      authFile: authFile === undefined ? undefined : join(folder, authFile),
      onWarning: (message) => warnings.push(message),
    });
    const found = async (name: string) => {
      const slash = name.indexOf('/');
      const credentials = await source(slash < 0 ? name : name.slice(0, slash), slash < 0 ? '' : name.slice(slash + 1));
      if (credentials?.type === 'basic') return `${credentials.username}:${credentials.password}`;
      return credentials && `${credentials.type} ${credentials.token}`;
    };
    await work({ found, warnings, log: join(folder, 'log') });
  });
}

const config = (content: object) => ({ '.docker/config.json': content });

/** A helper that knows some keys, and says what it was asked. */
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
    ['of the host', { files: config(auths({ 'r.test': basic('a:b') })) }, 'r.test/x', 'a:b'],
    ['of the host with its port', { files: config(auths({ 'r.test:5000': basic('a:b') })) }, 'r.test:5000/x', 'a:b'],
    ['not of another port', { files: config(auths({ 'r.test:5000': basic('a:b') })) }, 'r.test/x', undefined],
    [
      'not of a host that looks alike',
      { files: config(auths({ 'r.test.evil.test': basic('a:b') })) },
      'r.test/x',
      undefined,
    ],
    ['not of a host below', { files: config(auths({ 'a.r.test': basic('a:b') })) }, 'r.test/x', undefined],
    ['of https', { files: config(auths({ 'https://r.test/v2/': basic('a:b') })) }, 'r.test/x', 'a:b'],
    [
      'of https before http',
      { files: config(auths({ 'http://r.test': basic('c:d'), 'https://r.test': basic('a:b') })) },
      'r.test/x',
      'a:b',
    ],
    [
      'of the exact key before https',
      { files: config(auths({ 'https://r.test': basic('c:d'), 'r.test': basic('a:b') })) },
      'r.test/x',
      'a:b',
    ],
    ['of Docker Hub', { files: config(auths({ [hub]: basic('a:b') })) }, 'docker.io/x/y', 'a:b'],
    [
      'of Docker Hub as podman writes it',
      { files: config(auths({ 'docker.io': basic('a:b') })) },
      'docker.io/x/y',
      'a:b',
    ],
    [
      'of Docker Hub by its API',
      { files: config(auths({ 'registry-1.docker.io': basic('a:b') })) },
      'docker.io/x/y',
      'a:b',
    ],
    [
      'of a namespace',
      { files: config(auths({ 'r.test': basic('a:b'), 'r.test/team': basic('c:d') })) },
      'r.test/team/app',
      'c:d',
    ],
    [
      'of the longest namespace',
      { files: config(auths({ 'r.test/team': basic('a:b'), 'r.test/team/app': basic('c:d') })) },
      'r.test/team/app',
      'c:d',
    ],
    [
      'not of another namespace',
      { files: config(auths({ 'r.test/team': basic('a:b') })) },
      'r.test/teamwork/app',
      undefined,
    ],
    ['not of a namespace for all', { files: config(auths({ 'r.test/team': basic('a:b') })) }, 'r.test', undefined],
    [
      'of a namespace of Docker Hub',
      { files: config(auths({ 'docker.io/team': basic('c:d'), [hub]: basic('a:b') })) },
      'docker.io/team/app',
      'c:d',
    ],
    ['with a colon in the password', { files: config(auths({ 'r.test': basic('a:b:c') })) }, 'r.test/x', 'a:b:c'],
    ['with NULs at the end', { files: config(auths({ 'r.test': basic('a:b\0\0') })) }, 'r.test/x', 'a:b'],
    ['in two members', { files: config(auths({ 'r.test': { username: 'a', password: 'b' } })) }, 'r.test/x', 'a:b'],
    [
      'auth before two members',
      { files: config(auths({ 'r.test': { ...basic('a:b'), username: 'c', password: 'd' } })) },
      'r.test/x',
      'a:b',
    ],
    ['an empty password is none', { files: config(auths({ 'r.test': basic('a:') })) }, 'r.test/x', undefined],
    [
      'an empty entry is none',
      { files: config(auths({ 'r.test': {}, 'https://r.test': basic('a:b') })) },
      'r.test/x',
      'a:b',
    ],
    [
      'an identity token',
      { files: config(auths({ 'r.test': { ...basic('a:b'), identitytoken: 't' } })) },
      'r.test/x',
      'identity t',
    ],
    ['a registry token', { files: config(auths({ 'r.test': { registrytoken: 't' } })) }, 'r.test/x', 'bearer t'],
    ['an empty file', { files: { '.docker/config.json': '' } }, 'r.test/x', undefined],
    ['no file', {}, 'r.test/x', undefined],
    [
      'in DOCKER_CONFIG',
      {
        files: { 'dc/config.json': auths({ 'r.test': basic('a:b') }), ...config(auths({ 'r.test': basic('c:d') })) },
        env: { DOCKER_CONFIG: '~/dc' },
      },
      'r.test/x',
      'a:b',
    ],
    [
      'in REGISTRY_AUTH_FILE before Docker’s',
      {
        files: { f: auths({ 'r.test': basic('a:b') }), ...config(auths({ 'r.test': basic('c:d') })) },
        env: { REGISTRY_AUTH_FILE: '~/f' },
      },
      'r.test/x',
      'a:b',
    ],
    [
      'in Docker’s where REGISTRY_AUTH_FILE has none',
      { files: { f: auths({}), ...config(auths({ 'r.test': basic('c:d') })) }, env: { REGISTRY_AUTH_FILE: '~/f' } },
      'r.test/x',
      'c:d',
    ],
    [
      'in --authfile alone',
      { files: { f: auths({}), ...config(auths({ 'r.test': basic('c:d') })) }, authFile: 'f' },
      'r.test/x',
      undefined,
    ],
    [
      'in podman’s of this run',
      { files: { 'run/containers/auth.json': auths({ 'r.test': basic('a:b') }) }, env: { XDG_RUNTIME_DIR: '~/run' } },
      'r.test/x',
      'a:b',
    ],
    [
      'in podman’s that stays',
      { files: { '.config/containers/auth.json': auths({ 'r.test': basic('a:b') }) } },
      'r.test/x',
      'a:b',
    ],
    [
      'in podman’s elsewhere',
      { files: { 'c/containers/auth.json': auths({ 'r.test': basic('a:b') }) }, env: { XDG_CONFIG_HOME: '~/c' } },
      'r.test/x',
      'a:b',
    ],
    [
      'in the oldest of Docker’s',
      { files: { '.dockercfg': { 'https://r.test/v1/': basic('a:b') } } },
      'r.test/x',
      'a:b',
    ],
    [
      'in DOCKER_AUTH_CONFIG',
      {
        files: config(auths({ 'r.test': basic('c:d') })),
        env: { DOCKER_AUTH_CONFIG: JSON.stringify(auths({ 'r.test': basic('a:b') })) },
      },
      'r.test/x',
      'a:b',
    ],
    [
      'in the file where DOCKER_AUTH_CONFIG has none',
      {
        files: config(auths({ 'r.test': basic('c:d') })),
        env: { DOCKER_AUTH_CONFIG: JSON.stringify(auths({ 'o.test': basic('a:b') })) },
      },
      'r.test/x',
      'c:d',
    ],
  ])('%s', (_name, one, name, expected) => looking(one, async ({ found }) => expect(await found(name)).toBe(expected)));

  test.each<[string, string | object, string]>([
    ['is no JSON', '{', '.docker/config.json'],
    ['holds a member twice', '{"auths":{},"auths":{}}', '.docker/config.json'],
    ['holds what is no base64 of a login', auths({ 'r.test': { auth: 'bm9uZQ==' } }), '.docker/config.json'],
    ['names a helper with a path', { credsStore: '../../bin/sh' }, '.docker/config.json'],
  ])('a file that %s is an error that names it, and shows nothing of it', (_name, content, path) =>
    looking({ files: config(content as object) }, async ({ found }) => {
      await expect(found('r.test/x')).rejects.toMatchObject({
        code: 'ERR_MLIST_CREDENTIALS',
        exitCode: 6,
        message: expect.stringContaining(path) as unknown,
      });
      await expect(found('r.test/x')).rejects.not.toThrow(/bm9uZQ|none/);
    }),
  );

  test.each([
    '{',
    '{"auths":{},"credsStore":"x"}',
    '{"auths":{"r.test":{"auth":"YTpi","email":"x"}}}',
    '{"auths":{"r.test":{}}}',
  ])('a DOCKER_AUTH_CONFIG of %s is passed over, and told of', (value) =>
    looking(
      { files: config(auths({ 'r.test': basic('c:d') })), env: { DOCKER_AUTH_CONFIG: value } },
      async ({ found, warnings }) => {
        expect(await found('r.test/x')).toBe('c:d');
        expect(warnings[0]).toContain('DOCKER_AUTH_CONFIG');
      },
    ),
  );

  test('a file that --authfile names must be there', () =>
    looking({ authFile: 'missing' }, async ({ found }) => {
      await expect(found('r.test/x')).rejects.toMatchObject({ code: 'ERR_MLIST_NOT_FOUND' });
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
    ['for all hosts', { files: { ...own, ...config({ credsStore: 'own' }) } }, 'r.test/x', 'a:b'],
    [
      'for one host',
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
  ])('%s', (_name, one, name, expected) => looking(one, async ({ found }) => expect(await found(name)).toBe(expected)));

  test.each<[string, string]>([
    ['fails', helper({}, 'the keychain is locked: my-secret')],
    ['answers with something else', '#!/bin/sh\necho "{my-secret"\n'],
    ['answers with half of it', '#!/bin/sh\necho \'{"Username":"my-secret"}\'\n'],
  ])('a helper that %s is an error that shows nothing of what it said', (_name, script) =>
    looking({ files: { 'bin/docker-credential-own': script, ...config({ credsStore: 'own' }) } }, async ({ found }) => {
      await expect(found('r.test/x')).rejects.toMatchObject({ code: 'ERR_MLIST_CREDENTIALS' });
      await expect(found('r.test/x')).rejects.not.toThrow(/my-secret/);
    }),
  );

  test('a helper that is missing is an error', () =>
    looking({ files: config({ credsStore: 'missing' }) }, async ({ found }) => {
      await expect(found('r.test/x')).rejects.toThrow('docker-credential-missing');
    }));

  test('a keychain of the system that fails is told of, and passed over', () =>
    looking({ files: { 'bin/docker-credential-secretservice': helper({}, 'no bus') } }, async ({ found, warnings }) => {
      expect(await found('r.test/x')).toBeUndefined();
      expect(warnings).toHaveLength(1);
    }));

  test('a helper is asked once for a host', () =>
    looking({ files: { ...own, ...config({ credsStore: 'own' }) } }, async ({ found, log }) => {
      await Promise.all([found('r.test/x'), found('r.test/y'), found('r.test/x')]);
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
