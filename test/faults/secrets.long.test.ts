import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { commands } from '../../src/cli/commands/commands.ts';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { ForwardProxy } from '../support/forward-proxy.ts';
import { answer, RecordingProxy, type Exchange, type Rule } from '../support/recording-proxy.ts';
import { entryOf, makeImage, makeIndex, pushImage, putManifest } from '../support/images.ts';
import { isLong } from '../support/long.ts';
import { CliHarness, type CliResult } from '../support/cli-harness.ts';

/**
 * No secret in any output: every command is run with every kind of login, against registries that work, that redirect
 * their clients to signed addresses, and that echo what they received. Then all output and all stored files are searched for
 * the secrets, in each form that they might have.
 */

/** A secret with characters that are special in JSON, in URLs and in regular expressions. */
const secret = (name: string): string => `${name} "quoted"\\/+$&[${randomBytes(6).toString('hex')}`;
const secrets = {
  password: secret('password'),
  proxy: `proxy-${randomBytes(12).toString('hex')}`,
  identity: `identity-${randomBytes(12).toString('hex')}`,
  given: `given-${randomBytes(12).toString('hex')}`,
  issued: `issued-${randomBytes(12).toString('hex')}`,
  refreshed: `refreshed-${randomBytes(12).toString('hex')}`,
  signature: `signature-${randomBytes(12).toString('hex')}`,
  userinfo: `userinfo-${randomBytes(12).toString('hex')}`,
};
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const login = base64(`me:${secrets.password}`);

const all = { ...secrets, login, proxyLogin: base64(`me:${secrets.proxy}`) };
type Secret = keyof typeof all;

/** All encodings of a secret that may occur in a text. */
function formsOf(name: Secret): readonly string[] {
  const text = all[name];
  const encoded = [encodeURIComponent(text), base64(text), Buffer.from(text).toString('base64url')];
  return [text, JSON.stringify(text).slice(1, -1), ...encoded];
}

function expectClean(what: string, text: string): void {
  const found = (Object.keys(all) as Secret[]).filter((name) => formsOf(name).some((form) => text.includes(form)));
  expect([what, found]).toEqual([what, []]);
}

/** The kind of authentication of a registry, which is also its name below `.example`. */
const kinds = ['basic', 'bearer', 'identity', 'given'] as const;
type Kind = (typeof kinds)[number];

const logins: Readonly<Record<Kind, object>> = {
  basic: { auth: login },
  bearer: { auth: login },
  identity: { auth: base64('me:'), identitytoken: secrets.identity },
  given: { registrytoken: secrets.given },
};
const accepted: Readonly<Record<Kind, string>> = {
  basic: `Basic ${login}`,
  bearer: `Bearer ${secrets.issued}`,
  identity: `Bearer ${secrets.issued}`,
  given: `Bearer ${secrets.given}`,
};

/**
 * signs: redirects to signed addresses; echoes: refuses, and repeats the request; redirects: sends clients to forbidden
 * addresses.
 */
type Mode = 'signs' | 'echoes' | 'redirects';
const modes: readonly Mode[] = ['signs', 'echoes', 'redirects'];
let mode: Mode = 'signs';

/** The secrets that a client with the login knows, in addition to those of the proxy. */
const known: Readonly<Record<Kind | 'store', readonly Secret[]>> = {
  basic: ['password', 'login'],
  bearer: ['password', 'login', 'issued'],
  identity: ['identity', 'issued'],
  given: ['given'],
  store: ['signature'],
};

/** Refuses, and repeats the request and the secrets of the client in every form. */
function echo(name: Kind | 'store', exchange: Exchange): void {
  const { headers, path } = exchange.seen;
  const texts = [...known[name], 'proxy' as const, 'proxyLogin' as const].flatMap(formsOf);
  const errors = [JSON.stringify(headers), path, ...texts].map((message) => ({ code: 'DENIED', message }));
  const warning = texts.map((text) => `299 - "${text.replaceAll(/["\\]/g, '\\$&')}"`).join(', ');
  const digest = texts.join(' ');
  void answer(403, { warning, 'docker-content-digest': digest }, JSON.stringify({ errors }))(exchange);
}

const signed = (path: string): string => `${path}${path.includes('?') ? '&' : '?'}sig=${secrets.signature}`;

function guard(kind: Kind): Rule {
  return (exchange) => {
    const { method, path, headers } = exchange.seen;
    if (path.startsWith('/token')) {
      const document = { token: secrets.issued, access_token: secrets.issued, refresh_token: secrets.refreshed };
      return answer(200, {}, JSON.stringify(document))(exchange);
    }
    if (headers.authorization !== accepted[kind]) {
      const basic = kind === 'basic' ? 'Basic realm="x"' : `Bearer realm="http://${kind}.example/token",service="x"`;
      return answer(401, { 'www-authenticate': basic })(exchange);
    }
    if (mode === 'echoes') return echo(kind, exchange);
    const isBlob = method === 'GET' && path.includes('/blobs/sha256');
    const isUpload = method === 'PUT' && path.includes('/uploads/') && !path.includes('sig=');
    if (mode === 'redirects' && method === 'POST')
      return answer(202, { location: `http://me:${secrets.userinfo}@${kind}.example/?sig=${secrets.signature}` })(
        exchange,
      );
    if (isBlob || (mode === 'redirects' && method === 'GET'))
      return answer(307, { location: `http://store.example${signed(path)}` })(exchange);
    if (isUpload) return answer(307, { location: `http://${kind}.example${signed(path)}` })(exchange);
    return exchange.pass();
  };
}

/** The store of the registries' blobs. Every client with the signature may read. */
const store: Rule = (exchange) => {
  const { path } = exchange.seen;
  if (mode !== 'signs' || !path.includes(`sig=${secrets.signature}`)) return echo('store', exchange);
  return exchange.pass();
};

const platform = { os: 'linux', architecture: 'amd64' };
const image = makeImage({ salt: 'secret', kind: 'oci', platform });
const other = makeImage({ salt: 'other', kind: 'oci', platform: { os: 'linux', architecture: 'arm64' } });
const list = makeIndex([entryOf(image, platform)]);

let honest: RunningRegistry;
let forwardProxy: ForwardProxy;
const proxies: RecordingProxy[] = [];
beforeAll(async () => {
  honest = await startRegistry();
  for (const [tag, one] of Object.entries({ amd64: image, arm64: other, gone: other })) {
    await pushImage(honest.url, 'team/app', tag, one);
  }
  await putManifest(honest.url, 'team/app', 'v1', list.mediaType, list.bytes);
  const hosts: Record<string, number> = {};
  for (const [name, rule] of [...kinds.map((kind) => [kind, guard(kind)] as const), ['store', store] as const]) {
    const proxy = await RecordingProxy.start({ upstream: honest.url });
    proxy.on(/./, rule);
    proxies.push(proxy);
    hosts[`${name}.example:80`] = proxy.port;
  }
  forwardProxy = await ForwardProxy.start({ hosts, login: `me:${secrets.proxy}` });
});
afterAll(async () => {
  await forwardProxy.close();
  await Promise.all(proxies.map((proxy) => proxy.close()));
  await honest.close();
});

/** A harness with the login. All other files in its folder are searched. */
async function harnessFor(kind: Kind): Promise<CliHarness> {
  const cli = await CliHarness.make({
    env: { ...forwardProxy.env, DOCKER_CONFIG: undefined as never },
    stdin: `${secrets.password}\n`,
  });
  const folder = join(cli.folder, '.docker');
  await mkdir(folder);
  await writeFile(join(folder, 'config.json'), JSON.stringify({ auths: { [`${kind}.example`]: logins[kind] } }));
  return cli;
}

type Lines = readonly (readonly string[])[];

/** The command lines of each command, ordered so that each finds the content that it needs. `host` is the registry. */
function linesOf(host: string): Readonly<Record<string, Lines>> {
  const at = (name: string): string => `${host}/${name}`;
  const draft = at('team/app:draft');
  return {
    init: [['init']],
    create: [
      ['create', draft, at('team/app:amd64')],
      ['create', at('team/other:list'), at('team/app:v1')],
    ],
    use: [['use', draft]],
    add: [['add', draft, at('team/app:arm64')]],
    annotate: [
      ['annotate', draft, '--arch', 'arm64', '--variant', 'v8'],
      ['annotate', draft, '--subject', at('team/app:v1')],
    ],
    inspect: [
      ['inspect', draft],
      ['inspect', '-v', at('team/app:v1')],
      ['inspect', at('team/app@' + image.digest)],
    ],
    show: [
      ['show', draft],
      ['show', at('team/app:v1')],
    ],
    validate: [
      ['validate', draft],
      ['validate', at('team/app:v1')],
    ],
    diff: [['diff', at('team/app:v1'), at('team/app:amd64')]],
    resolve: [['resolve', at('team/app:v1'), '--platform', 'linux/amd64']],
    explain: [['explain', at('team/app:v1'), '--platform', 'linux/amd64']],
    digest: [['digest', at('team/app:v1')]],
    exists: [['exists', at('team/app:v1')]],
    tags: [['tags', at('team/app')]],
    push: [
      ['push', draft, '--digest-file', 'digest', '--metadata-file', 'metadata'],
      ['push', draft, '--to', at('team/pushed:v1')],
    ],
    copy: [
      ['copy', at('team/app:v1'), 'oci:copied:v1', '--referrers'],
      ['copy', 'oci:copied:v1', at('team/copied:v1')],
      ['copy', at('team/app:v1'), at('team/mounted:v1')],
    ],
    join: [['join', at('team/app:joined'), at('team/app:amd64'), '--group', '1']],
    export: [['export', at('team/app:v1')]],
    apply: [['apply', '-f', 'lists.yaml']],
    remove: [['remove', draft, '--platform', 'linux/arm64']],
    ls: [['ls']],
    doctor: [['doctor'], ['doctor', host]],
    version: [['version']],
    rm: [['rm', at('team/other:list')]],
    prune: [['prune']],
    gc: [['gc', '.']],
    delete: [['delete', at('team/app:gone')]],
    // With a password, because a login does not know a token that the registry would echo.
    login: /basic|bearer/.test(host) ? [['login', host, '--username', 'me', '--password-stdin']] : [],
    logout: [['logout', host]],
    serve: [['serve', '--addr', '127.0.0.1:0', '--htpasswd', 'htpasswd']],
    completion: [['completion', 'bash']],
    'docker-cli-plugin-metadata': [['docker-cli-plugin-metadata']],
  };
}

const forms = [['--json'], ['--progress', 'plain']] as const;

/**
 * Runs a line with JSON output and with text output. `serve` is interrupted after its first output.
 * @param place - in the short version, only the forms whose place after this one is even are run
 */
async function runForms(
  cli: CliHarness,
  line: readonly string[],
  host: string,
  place: number,
): Promise<readonly CliResult[]> {
  const options = ['--debug', '--retries', '0', '--timeout', '2m', '--deadline', '4m', '--plain-http', host];
  const result: CliResult[] = [];
  for (const [at, form] of forms.entries()) {
    if (!isLong && (place + at) % forms.length !== 0) continue;
    const stop = new AbortController();
    const onStdout = () => line[0] === 'serve' && stop.abort();
    result.push(await cli.run([...line, ...options, ...form], { signal: stop.signal, onStdout }));
  }
  return result;
}

/** The files in the folder of the harness, except those that store the login. */
async function storedFiles(cli: CliHarness): Promise<readonly (readonly [string, string])[]> {
  const entries = await readdir(cli.folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const others = files.filter((path) => !path.startsWith(join(cli.folder, '.docker')));
  return Promise.all(others.map(async (path) => [path, await readFile(path, 'latin1')] as const));
}

async function prepare(cli: CliHarness, host: string): Promise<void> {
  const apply = { lists: [{ name: `${host}/team/app:applied`, manifests: [`${host}/team/app:amd64`] }] };
  await writeFile(join(cli.folder, 'lists.yaml'), JSON.stringify(apply));
  const hash = createHash('sha1').update(secrets.password).digest('base64');
  await writeFile(join(cli.folder, 'htpasswd'), `me:{SHA}${hash}\n`);
}

test('every command has lines here', () => {
  const tried = Object.keys(linesOf('x'));
  expect(commands.map(({ name }) => name).filter((name) => !tried.includes(name))).toEqual([]);
});

describe.each(kinds)('with a login of kind %s', (kind) => {
  const host = `${kind}.example`;

  // The short version tries each kind of login with one of them.
  const at = kinds.indexOf(kind);
  const tried = isLong ? modes : modes.filter((_, place) => place === at % modes.length);
  test.each<Mode>(tried)('no secret is printed or stored: a registry that %s', async (how) => {
    const cli = await harnessFor(kind);
    await prepare(cli, host);
    const lines = linesOf(host);
    mode = 'signs';
    const draft = ['create', `${host}/team/app:draft`, `${host}/team/app:amd64`, '--plain-http', host];
    if (how !== 'signs') await cli.must(...draft);
    mode = how;
    const failed = new Set<string>();
    // In the short version, the next kind of login and the next mode have the other form.
    let place = at + modes.indexOf(how);
    for (const name of Object.keys(lines).filter((one) => commands.some((command) => command.name === one))) {
      for (const line of lines[name]!) {
        for (const { code, stdout, stderr } of await runForms(cli, line, host, place)) {
          expectClean(`${line.join(' ')}: stdout`, stdout);
          expectClean(`${line.join(' ')}: stderr`, stderr);
          if (code !== 0) failed.add(name);
        }
        place += 1;
      }
    }
    for (const [path, text] of await storedFiles(cli)) expectClean(path, text);
    for (const name of ['inspect', 'copy', 'tags', 'create'])
      expect([name, failed.has(name)]).toEqual([name, how !== 'signs']);
  });
});

test('each secret was sent to its recipient', () => {
  const seen = proxies
    .flatMap((proxy) => proxy.requests.map(({ headers, path }) => `${headers.authorization} ${path}`))
    .join('\n');
  for (const authorization of Object.values(accepted)) expect(seen).toContain(authorization);
  expect(seen).toContain(secrets.signature);
  expect(forwardProxy.requests.length).toBeGreaterThan(100);
});

describe('a password in place of a reference', () => {
  const url = `me:${secrets.userinfo}@registry.example`;
  test.each<[string, readonly string[]]>([
    ['inspect', ['inspect', `https://${url}/team/app:v1`]],
    ['create', ['create', 'x.io/a:b', `${url}/team/app:v1`]],
    ['copy', ['copy', `docker://${url}/team/app:v1`, 'oci:there']],
    ['a target', ['copy', 'oci:there', `http://${url}/team/app`]],
    ['tags', ['tags', `https://${url}/team/app`]],
    ['login', ['login', `https://${url}`, '--username', 'me', '--password-stdin']],
    ['logout', ['logout', url]],
    ['a token service', ['tags', 'x.io/a', '--auth-host', url]],
    ['a draft', ['use', `${url}/team/app:v1`]],
    ['with a slash', ['inspect', `https://me:pass/${secrets.userinfo}@registry.example/team/app:v1`]],
    ['with a digit and a slash', ['inspect', `me:1/Z${secrets.userinfo}@registry.example/team/app:v1`]],
    ['with digits and a slash', ['inspect', `me:12/+${secrets.userinfo}@registry.example/team/app:v1`]],
    ['behind another @', ['inspect', `registry.example:5000/team/app@me:${secrets.userinfo}@registry.example`]],
    ['an argument too many', ['ls', `https://${url}/team/app:v1`]],
    ['an argument too many beside --list', ['digest', '--list', 'a', `https://${url}/team/app:v1`]],
    ['before a tag', ['inspect', `me:${secrets.userinfo}@registry.example:5000/team/app:v1`]],
  ])('is not printed: %s', async (_, args) => {
    const cli = await CliHarness.make({ stdin: 'x' });
    for (const more of [[], ['--json', '--debug']]) {
      const { code, stdout, stderr } = await cli.run([...args, ...more]);
      expect(code).toBe(2);
      expectClean('stdout', stdout);
      expectClean('stderr', stderr);
      expect(stderr).toContain('***');
    }
  });
});

test('a password in place of an image is not printed in the command of a hint', async () => {
  const args = ['remove', 'registry.example/team/app', `https://me:${secrets.userinfo}@registry.example/team/app`];
  const { code, stderr } = await (await CliHarness.make()).run(args);
  expect([code, stderr]).toEqual([4, expect.stringContaining('mlist remove LIST')]);
  expectClean('stderr', stderr);
});

test.each([
  ['127.0.0.1:5000/team/app:b@d', '127.0.0.1:5000/team/app:b@d'],
  ['[::1]:5000/team/app:b@d', '[::1]:5000/team/app:b@d'],
  ['https://registry.example:5000/team/app@d', 'https://registry.example:5000/team/app@d'],
  ['registry.example/team/app:b@d', 'registry.example/team/app:b@d'],
  ['127.0.0.1:5000/team/app:b@sha256:12', '127.0.0.1:5000/team/app:b@sha256:12'],
  ['app:b@d', 'app:***@d'],
])('what is wrong with a reference is shown, and no password can be: %s', async (typed, shown) => {
  const { code, stderr } = await (await CliHarness.make()).run(['show', typed]);
  expect([code, stderr]).toEqual([2, expect.stringContaining(`invalid reference "${shown}"`)]);
});
