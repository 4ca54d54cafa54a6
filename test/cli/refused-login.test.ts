import { createHash } from 'node:crypto';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { answer, RecordingProxy, hang, reset, type Rule } from '../support/recording-proxy.ts';
import { makeIndex } from '../support/images.ts';
import { cleanup } from '../support/cleanup.ts';
import { guard, TokenService } from '../support/token-service.ts';
import { blobOf, imageOf, tagged, writeLayout } from '../store/samples.ts';
import { CliHarness, type CliResult } from '../support/cli-harness.ts';

const WRONG = 'this-is-the-wrong-password';
const auth = Buffer.from(`me:${WRONG}`).toString('base64');

/** Registries that refuse the credentials. */
describe('wrong credentials', () => {
  let basic: RunningRegistry;
  let open: RunningRegistry;
  let proxy: RecordingProxy;
  let tokens: TokenService;
  let host: string;
  let cli: CliHarness;

  beforeAll(async () => {
    cli = await CliHarness.make();
    const htpasswd = join(cli.folder, 'users');
    await writeFile(htpasswd, `me:{SHA256}${createHash('sha256').update('right').digest('base64')}\n`);
    basic = await startRegistry({ htpasswd });
    host = basic.host;
    open = await startRegistry();
    proxy = await RecordingProxy.start({ upstream: open.url });
    tokens = await TokenService.start({ users: { me: 'right' } });
    guard(proxy, tokens);
  });
  afterAll(async () => {
    await Promise.all([basic, open, proxy, tokens.proxy].map((one) => one.close()));
  });

  test('no login for a push: reported once for all blobs', async () => {
    const image = imageOf('pushed', { layers: ['1', '2', '3'].map((text) => blobOf(text).descriptor) });
    const contents = [image.manifest, image.config, ...['1', '2', '3'].map((text) => blobOf(text))];
    await writeLayout(join(cli.folder, 'pushed'), contents, [tagged(image.manifest, 'v1')]);
    const registry = cleanup(await startRegistry({ htpasswd: join(cli.folder, 'users'), anonymousPull: true }));
    const args = ['copy', 'oci:pushed:v1', `${registry.host}/team/app:v1`];
    const { code, stderr } = await cli.run(args);
    expect(code).toBe(6);
    expect(stderr.match(/requires a login/g)).toHaveLength(1);
    expect(stderr.match(/hint: Log in with/g)).toHaveLength(1);
    expect(stderr).toMatch(/\n {2}and 3 other errors with the same message\nhint: /);
    const documents = (await cli.run([...args, '--json'])).stderr
      .split('\n')
      .filter((line) => line.includes('"error"'));
    expect(documents).toHaveLength(4);
  });

  async function keep(path: string, content: object): Promise<string> {
    const file = join(cli.folder, path);
    await mkdir(join(file, '..'), { recursive: true });
    await writeFile(file, JSON.stringify(content));
    return file;
  }

  function expectRefusal(result: CliResult, message: string, hint: string): void {
    expect(result).toMatchObject({ code: 6, stdout: '' });
    expect(result.stderr).toContain(message);
    expect(result.stderr).toContain(`hint: ${hint}`);
    expect(result.stderr).not.toContain(WRONG);
    expect(result.stderr).not.toContain(auth);
  }

  test('in a file: the message names the file', async () => {
    const file = await keep('auth.json', { auths: { [host]: { auth } } });
    expectRefusal(
      await cli.run(['digest', `${host}/team/app:1.0`, '--authfile', file]),
      `${host} does not accept the credentials for ${host} from ${file} (HTTP 401`,
      `Log in again with "mlist login ${host}".`,
    );
  });

  test("in docker's file", async () => {
    const file = await keep('docker/config.json', { auths: { [host]: { auth } } });
    expectRefusal(
      await cli.run(['tags', `${host}/team/app`], { env: { DOCKER_CONFIG: join(cli.folder, 'docker') } }),
      `the credentials for ${host} from ${file}`,
      `Log in again with "mlist login ${host}".`,
    );
  });

  test('from a helper: the message names the helper', async () => {
    const bin = join(cli.folder, 'bin');
    await mkdir(bin);
    const helper = join(bin, 'docker-credential-wrong');
    await writeFile(helper, `#!/bin/sh\necho '{"Username":"me","Secret":"${WRONG}"}'\n`);
    await chmod(helper, 0o755);
    const file = await keep('helped.json', { credHelpers: { [host]: 'wrong' } });
    const env = { PATH: `${bin}:${process.env['PATH'] ?? ''}` };
    expectRefusal(
      await cli.run(['digest', `${host}/team/app:1.0`, '--authfile', file], { env }),
      `the credentials for ${host} from docker-credential-wrong`,
      `Log in again with "mlist login ${host}".`,
    );
  });

  test('from a variable, which takes precedence over stored credentials', async () => {
    const env = { DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [host]: { auth } } }) };
    expectRefusal(
      await cli.run(['digest', `${host}/team/app:1.0`], { env }),
      `the credentials for ${host} from DOCKER_AUTH_CONFIG`,
      'Correct DOCKER_AUTH_CONFIG',
    );
  });

  test('refused by a token service: the message names the service and the registry', async () => {
    const guarded = new URL(proxy.url).host;
    const file = await keep('tokens.json', { auths: { [guarded]: { auth } } });
    const trust = ['--auth-host', `${guarded}=${tokens.proxy.host}`];
    expectRefusal(
      await cli.run(['digest', `${guarded}/team/app:1.0`, '--authfile', file, ...trust]),
      `the token service ${tokens.proxy.host} does not accept the credentials for ${guarded} from ${file} (HTTP 401)`,
      `Log in again with "mlist login ${guarded}".`,
    );
  });

  test('from a prompt: not stored', async () => {
    const login = ['login', host, '--username', 'me', '--password-stdin'];
    expectRefusal(
      await cli.run(login, { stdin: `${WRONG}\n` }),
      `cannot log in to ${host}: ${host} does not accept the credentials for ${host} (HTTP 401`,
      'Check the user name and the password',
    );
    expect(await cli.run(['logout', host])).toMatchObject({ code: 4 });
  });

  test('no credentials', async () => {
    const result = await cli.run(['digest', `${host}/team/app:1.0`]);
    expect(result).toMatchObject({ code: 6, stderr: expect.stringContaining(`${host} requires a login`) as unknown });
    expect(result.stderr).toContain(`mlist login ${host}`);
  });
});

describe('uses a supported challenge of several', () => {
  const right = `Basic ${Buffer.from('me:right').toString('base64')}`;
  const realm = (address: string) => `Bearer realm="${address}",service="x"`;

  /** Accepts Basic, and also names a token service that does not work. */
  async function start(challenge: (host: string) => string, service: Rule): Promise<RecordingProxy> {
    const proxy = cleanup(await RecordingProxy.start());
    const index = makeIndex([]);
    proxy.on(/./, (exchange) => {
      const isRight = exchange.seen.headers.authorization === right;
      const refusal = answer(401, { 'www-authenticate': challenge(proxy.host) });
      return (isRight ? answer(200, { 'content-type': index.mediaType }, index.bytes) : refusal)(exchange);
    });
    proxy.on(/ \/token/, service);
    return proxy;
  }

  const inspected = async (
    { host }: RecordingProxy,
    password = 'right',
    ...more: readonly string[]
  ): Promise<CliResult> => {
    const auth = Buffer.from(`me:${password}`).toString('base64');
    const env = { DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [host]: { auth } } }) };
    return (await CliHarness.make({ env })).run(['inspect', `${host}/team/app:1`, '--retries', '1', ...more]);
  };
  const here = (host: string) => `${realm(`http://${host}/token`)}, Basic realm="x"`;

  test.each<[string, (host: string) => string, Rule]>([
    ['is missing', here, answer(404)],
    ['fails', here, answer(500)],
    ['gives no token', here, answer(200, {}, '<html>')],
    ['breaks the connection', here, reset],
    ['is not named by a URL', () => 'Bearer realm="registry", Basic realm="x"', hang],
    ['must not be used', () => `Basic realm="x", ${realm('ftp://registry.test/token')}`, hang],
    ['must not see the login', () => `Basic realm="x", ${realm('http://127.0.0.2:1/token')}`, hang],
  ])('uses Basic if the token service %s', async (_name, challenge, service) => {
    const proxy = await start(challenge, service);
    expect(await inspected(proxy)).toMatchObject({ code: 0 });
    expect(proxy.requestsMatching(/token/).length).toBeLessThan(3);
    expect(await inspected(proxy, 'wrong')).toMatchObject({
      code: 6,
      stderr: expect.stringContaining('does not accept the credentials') as unknown,
    });
  });

  test('does not use Basic if the token service refuses the credentials', async () => {
    const proxy = await start(
      here,
      answer(401, {}, '{"errors":[{"code":"DENIED","message":"the token has expired"}]}'),
    );
    expect(await inspected(proxy)).toMatchObject({
      code: 6,
      stderr: expect.stringMatching(/the token service .* \(HTTP 401, DENIED: the token has expired\)/) as unknown,
    });
  });

  test('uses the second token service if the realm of the first is not a URL', async () => {
    const proxy = cleanup(await RecordingProxy.start({ upstream: cleanup(await startRegistry()).url }));
    const tokens = cleanup(await TokenService.start({ users: { me: 'right' } }));
    guard(proxy, tokens, { before: 'Bearer realm="registry", ' });
    const trust = ['--auth-host', `${proxy.host}=${tokens.proxy.host}`];
    expect(await inspected(proxy, 'right', ...trust)).toMatchObject({ code: 4 });
    expect(tokens.requests).toHaveLength(1);
  });
});

/** Docker Hub's token service returns a token without access; the registry then answers 401 insufficient_scope. */
describe.each([[{}], [{ silent: true }]])('a token without access, where the challenge has %j', (options) => {
  let proxy: RecordingProxy;
  let tokens: TokenService;
  let host: string;
  let cli: CliHarness;

  beforeAll(async () => {
    cli = await CliHarness.make();
    proxy = await RecordingProxy.start();
    tokens = await TokenService.start({ users: { me: 'right' }, grant: () => [] });
    guard(proxy, tokens, options);
    host = proxy.host;
    const login = Buffer.from('me:right').toString('base64');
    await writeFile(join(cli.folder, 'auth.json'), JSON.stringify({ auths: { [host]: { auth: login } } }));
    await writeFile(join(cli.folder, 'none.json'), '{}');
  });
  afterAll(() => Promise.all([proxy, tokens.proxy].map((one) => one.close())));

  test.each<[string, readonly string[], string, string]>([
    [
      'no login: the repository is missing or private',
      ['digest', 'HOST/team/none', '--authfile', 'none.json'],
      'there is no such repository on HOST, or it is private (HTTP 401',
      'Check the spelling of the repository, or log in with "mlist login HOST".',
    ],
    [
      'no login, tags',
      ['tags', 'HOST/team/none', '--authfile', 'none.json'],
      'there is no such repository on HOST, or it is private (HTTP 401, UNAUTHORIZED)',
      'Check the spelling of the repository, or log in with "mlist login HOST".',
    ],
    [
      'no login, and writing needs one',
      ['delete', `HOST/team/none@sha256:${'0'.repeat(64)}`, '--authfile', 'none.json'],
      'HOST requires a login (HTTP 401, UNAUTHORIZED)',
      'Log in with "mlist login HOST". Some registries report a missing repository in the same way.',
    ],
    [
      'a login that was accepted: the account has no access',
      ['digest', 'HOST/team/none', '--authfile', 'auth.json'],
      'there is no such repository on HOST, or the credentials for HOST from FILE do not give access to it (HTTP 401',
      'Check the spelling of the repository and the permissions of the account.',
    ],
  ])('%s', async (_name, args, message, hint) => {
    const shown = (text: string) => text.replaceAll('HOST', host);
    const { code, stdout, stderr } = await cli.run([...args.map(shown), '--auth-host', `${host}=${tokens.proxy.host}`]);
    expect([code, stdout]).toEqual([6, '']);
    expect(stderr).toContain(shown(message).replace('FILE', join(cli.folder, 'auth.json')));
    expect(stderr).toContain(`hint: ${shown(hint)}`);
  });
});
