import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import type { Credentials } from '../../../src/store/registry/credentials/credentials.ts';
import type { RegistryOptions } from '../../../src/store/registry/registry-options.ts';
import type { Repository } from '../../../src/store/registry/repository.ts';
import { MlistError } from '../../../src/errors/errors.ts';
import { Authority, hasOpenssl } from '../../support/certificates.ts';
import { ForwardProxy } from '../../support/forward-proxy.ts';
import { casesOf } from '../../support/long.ts';
import { trustInUse } from '../../support/protocols.ts';
import { answer, RecordingProxy, hang, reset, type Rule } from '../../support/recording-proxy.ts';
import { bytesOf, collect, imageOf, withFolder } from '../samples.ts';
import { cleanup, layerOf, pieces, repository, session } from './setup.ts';

/**
 * Users of the library may log, inspect and serialise an error. Whatever made a request fail, the error shows neither the
 * credentials nor the tokens of the request.
 */
const password = 'correct-horse-battery-staple';
const basic = Buffer.from(`me:${password}`).toString('base64');
const token = 'token-0123456789abcdef';
const refreshToken = 'refresh-0123456789abcdef';
const signature = 'signature-0123456789abcdef';
const secrets = [password, basic, token, refreshToken, signature];

function expectSafe(error: unknown): void {
  const shown = inspect(error, { depth: Infinity, showHidden: true });
  const json = JSON.stringify(error);
  for (const secret of secrets) expect(shown + json).not.toContain(secret);
}

/** The same for an MlistError, which must also be complete. */
function expectSafeAndComplete(error: unknown): void {
  expectSafe(error);
  const { name, code, message } = error as MlistError;
  expect(error).toBeInstanceOf(MlistError);
  expect(JSON.parse(JSON.stringify(error))).toMatchObject({ name, code, message });
}

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    (result) => expect({ result }).toBe('a failure'),
    (error: unknown) => error,
  );
}

const logins = {
  Basic: { challenge: () => 'Basic realm="x"', header: `Basic ${basic}` },
  Bearer: { challenge: (url: string) => `Bearer realm="${url}/token",service="x"`, header: `Bearer ${token}` },
} as const;
type Login = keyof typeof logins;

const me: Credentials = { type: 'basic', username: 'me', password };

/** A registry that applies a rule to every request with the correct login. */
async function registryWith(
  login: Login,
  fault: Rule,
  options: Parameters<typeof RecordingProxy.start>[0] = {},
): Promise<RecordingProxy> {
  const proxy = cleanup(await RecordingProxy.start(options));
  const { challenge, header } = logins[login];
  proxy.on(/./, (exchange) => {
    const isLoggedIn = exchange.seen.headers.authorization === header;
    return (isLoggedIn ? fault : answer(401, { 'www-authenticate': challenge(proxy.url) }))(exchange);
  });
  proxy.on(/ \/token/, answer(200, {}, JSON.stringify({ token })));
  return proxy;
}

function client(proxy: RecordingProxy, options: Partial<RegistryOptions> = {}): Repository {
  const credentials = () => Promise.resolve(me);
  return repository(session({ credentials, retries: 0, ...options }), proxy.host, 'team/app');
}

const large = layerOf(5 * 1024 * 1024);
const small = layerOf(1000);
const { manifest } = imageOf('secret');

const requests: Readonly<Record<string, (at: Repository, signal?: AbortSignal) => Promise<unknown>>> = {
  'GET manifest': (at, signal) => at.fetchManifest('v1', { signal }),
  'HEAD manifest': (at, signal) => at.resolve('v1', { signal }),
  'GET blob': (at, signal) => at.fetchBlob(small.descriptor, { signal }),
  'stream blob': (at, signal) => bytesOf(at.readBlob(small.descriptor, { signal })),
  'stream large blob': (at, signal) => bytesOf(at.readBlob(large.descriptor, { signal })),
  upload: (at, signal) => at.putBlob(large.descriptor, () => pieces(large.bytes), { signal }),
  'PUT manifest': (at, signal) => at.putManifest(manifest, 'v1', { signal }),
  'DELETE manifest': (at, signal) => at.deleteManifest(manifest.descriptor.digest, { signal }),
  tags: (at, signal) => collect(at.tags({ signal })),
  referrers: (at, signal) => at.referrers(manifest.descriptor.digest, undefined, { signal }),
};

/** Sends these bytes in place of an HTTP response. */
const raw =
  (bytes: string): Rule =>
  ({ request }) =>
    void request.socket.end(bytes);

const cut: Rule = ({ request, response }) => {
  response.writeHead(200, { 'content-length': 100_000, 'content-type': manifest.descriptor.mediaType });
  response.write('{', () => setImmediate(() => request.socket.destroy()));
};

const failures: Readonly<Record<string, Rule>> = {
  'breaks the connection': reset,
  'breaks off in the middle of the body': cut,
  'sends no HTTP': raw('no HTTP at all\r\n\r\n'),
  'sends headers that are too large': answer(200, { 'x-long': 'x'.repeat(40_000) }),
  'switches protocols': raw('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'),
  'redirects in a circle': (exchange) => answer(307, { location: exchange.seen.path })(exchange),
  'redirects to a port that nobody listens on': answer(307, { location: `http://127.0.0.1:1/?sig=${signature}` }),
  'redirects with user info': answer(307, { location: `http://me:${signature}@127.0.0.1:1/` }),
  'redirects to another scheme': answer(307, { location: `ftp://127.0.0.1/?sig=${signature}` }),
  'refuses the login': answer(401, { 'www-authenticate': 'Basic realm="x"' }),
  'quotes the login': (exchange) =>
    answer(
      403,
      {},
      JSON.stringify({ errors: [{ code: 'DENIED', message: JSON.stringify(exchange.seen.headers) }] }),
    )(exchange),
  'answers 404': answer(404),
  'answers 429': answer(429, { 'retry-after': '1000' }),
  'answers 500': answer(500),
  'answers with something else': answer(200, { 'content-type': manifest.descriptor.mediaType }, '<html>'),
};

describe.each(Object.keys(logins) as Login[])('an error of a request with %s', (login) => {
  const place = Object.keys(logins).indexOf(login);
  test.each(casesOf(Object.keys(failures), 2, place))('shows no credentials: the registry %s', async (name) => {
    const proxy = await registryWith(login, failures[name]!);
    const results = Object.values(requests).map((request) => request(client(proxy)).catch((error: unknown) => error));
    const errors = (await Promise.all(results)).filter((result) => result instanceof Error);
    // Some requests tolerate some answers, such as a 404 to a DELETE.
    expect(errors.length).toBeGreaterThan(4);
    errors.forEach(expectSafeAndComplete);
    expect(proxy.requests.filter(({ headers }) => headers.authorization === logins[login].header)).not.toHaveLength(0);
  });

  test('shows no credentials: the registry does not answer', async () => {
    const proxy = await registryWith(login, hang);
    const works = Object.values(requests).map((request) => request(client(proxy, { timeoutMs: 300 })));
    (await Promise.all(works.map(failureOf))).forEach(expectSafeAndComplete);
  });

  test('shows no credentials: the server has stopped', async () => {
    const proxy = await registryWith(login, answer(404));
    const at = client(proxy);
    await failureOf(at.fetchManifest('v1'));
    await proxy.close();
    for (const request of Object.values(requests)) expectSafeAndComplete(await failureOf(request(at)));
  });

  test('shows no credentials: it is aborted', async () => {
    for (const request of Object.values(requests)) {
      const stop = new AbortController();
      const proxy = await registryWith(login, () => stop.abort());
      expectSafe(await failureOf(request(client(proxy), stop.signal)));
    }
  });

  test('shows no credentials: the session is closed', async () => {
    for (const request of Object.values(requests)) {
      const open = session({ credentials: () => Promise.resolve(me), retries: 0 });
      const proxy = await registryWith(login, () => open.close());
      expectSafeAndComplete(await failureOf(request(repository(open, proxy.host, 'team/app'))));
    }
  });
});

describe.each(casesOf(Object.keys(logins) as Login[], 2))('an error of a request with %s (openssl)', (login) => {
  (hasOpenssl() ? test : test.skip)(
    'shows no credentials: the redirect leads to a certificate that is not trusted',
    () =>
      withFolder(async (folder) => {
        const otherServer = cleanup(await RecordingProxy.start({ tls: new Authority(folder).sign('stranger') }));
        const proxy = await registryWith(login, answer(307, { location: `${otherServer.url}/?sig=${signature}` }));
        const { caFile = new Authority(folder, 'other').certificate.certFile } = trustInUse();
        const plainHttp = proxy.url.startsWith('http:') ? [proxy.host] : [];
        for (const request of Object.values(requests)) {
          const error = await failureOf(request(client(proxy, { caFile, plainHttp })));
          expectSafeAndComplete(error);
          expect((error as MlistError).message).toContain('is not trusted');
        }
      }),
  );
});

describe('an error of a token request', () => {
  const accounts: Readonly<Record<string, Credentials>> = {
    'a password': me,
    'a refresh token': { type: 'identity', token: refreshToken },
  };
  const more: Readonly<Record<string, Rule>> = {
    'requires the password by POST, and then breaks the connection': (exchange) =>
      (exchange.seen.method === 'GET' ? answer(405) : reset)(exchange),
    'quotes the form': ({ request, response }) =>
      void text(request).then((form) => response.writeHead(400).end(JSON.stringify({ error: form, token: '' }))),
  };
  describe.each(Object.keys(accounts))('with %s', (account) => {
    const place = Object.keys(accounts).indexOf(account);
    test.each(casesOf(Object.keys({ ...failures, ...more }), 2, place))(
      'shows no credentials: the service %s',
      async (name) => {
        const proxy = await registryWith('Bearer', answer(404));
        proxy.on(/ \/token/, { ...failures, ...more }[name]!);
        const at = client(proxy, { credentials: () => Promise.resolve(accounts[account]) });
        expectSafeAndComplete(await failureOf(at.fetchManifest('v1')));
      },
    );
  });
});

test('an error shows no token of a token response that the registry quotes', async () => {
  const members = { token, refresh_token: refreshToken, identityToken: password, id_token: signature, a_token: null };
  const detail = `me ${Object.values(members).join(' ')}`;
  const proxy = await registryWith('Bearer', answer(403, {}, JSON.stringify({ errors: [{ code: 'DENIED', detail }] })));
  proxy.on(/ \/token/, answer(200, {}, JSON.stringify({ ...members, expires_in: 300 })));
  const anonymous = client(proxy, { credentials: () => Promise.resolve(undefined) });
  const error = await failureOf(anonymous.fetchManifest('v1'));
  expectSafeAndComplete(error);
  expect((error as MlistError).message).toContain('DENIED: me *** *** *** ***');
});

describe('an error of a proxy with a password', () => {
  const host = 'registry.test';
  test.each<[string, string, readonly string[]]>([
    ['that refuses the login', 'me:other', ['http', 'https']],
    ['that refuses the host', `me:${password}`, ['http', 'https']],
  ])('shows no credentials: a proxy %s', async (_, login, schemes) => {
    const forwardProxy = cleanup(await ForwardProxy.start({ hosts: {}, login }));
    const url = forwardProxy.url.replace(/\/\/.*@/, `//me:${password}@`);
    for (const scheme of schemes) {
      const plainHttp = scheme === 'http' ? [host] : [];
      const open = session({ plainHttp, retries: 0, env: { HTTP_PROXY: url, HTTPS_PROXY: url } });
      expectSafeAndComplete(await failureOf(repository(open, host, 'a').fetchManifest('v1')));
    }
  });

  test.each(['breaks the connection', 'is not there'])('shows no credentials: a proxy that %s', async (what) => {
    const proxy = cleanup(await RecordingProxy.start());
    proxy.on(/./, reset);
    if (what === 'is not there') await proxy.close();
    const url = `http://me:${password}@${what === 'is not there' ? '127.0.0.1:1' : proxy.host}`;
    for (const plainHttp of [[host], []]) {
      const open = session({ plainHttp, retries: 0, env: { HTTP_PROXY: url, HTTPS_PROXY: url } });
      expectSafeAndComplete(await failureOf(repository(open, host, 'a').fetchManifest('v1')));
    }
  });
});

describe('an error from elsewhere', () => {
  const request = { options: { headers: { authorization: `Basic ${basic}` } } };
  const foreign = (message: string) =>
    Object.assign(new Error(message), { ...request, code: 'ECONNREFUSED', syscall: 'connect', port: 443 });

  test('is kept without what it carries', () => {
    const parts = [Object.assign(foreign('part'), { address: '192.0.2.1' }), `Bearer ${token}`];
    const cause = Object.assign(new AggregateError(parts, 'no address answers'), request, { cause: foreign('inner') });
    cause.errors.push(cause);
    const error = new MlistError('ERR_MLIST_NETWORK', 'cannot connect', { reference: 'a.test/b', cause });
    expectSafeAndComplete(error);
    const part = { name: 'Error', message: 'part', code: 'ECONNREFUSED', syscall: 'connect', port: 443 };
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      name: 'MlistError',
      code: 'ERR_MLIST_NETWORK',
      message: 'cannot connect',
      reference: 'a.test/b',
      cause: {
        name: 'AggregateError',
        message: 'no address answers',
        errors: [
          { ...part, address: '192.0.2.1' },
          { name: 'Error', message: 'Bearer ***' },
          { name: 'AggregateError', message: 'no address answers' },
        ],
      },
    });
    expect((error.cause as Error).stack).toMatch(/^AggregateError: no address answers\n +at .*error-secrets/);
  });

  test.each<[string, string]>([
    [`GET https://me:${password}@a.test/v2/ failed`, 'GET https://***@a.test/v2/ failed'],
    [`GET https://a.test/b?sig=${signature}&x=1 failed`, 'GET https://a.test/b?*** failed'],
    [`invalid header: Basic ${basic}`, 'invalid header: Basic ***'],
    [`invalid header: bearer ${token}`, 'invalid header: bearer ***'],
    [
      `Unexpected token 'x', ..."":"${basic}"x}"... is not valid JSON`,
      "Unexpected token 'x', the text is not valid JSON",
    ],
    ['connect ECONNREFUSED 127.0.0.1:5000', 'connect ECONNREFUSED 127.0.0.1:5000'],
  ])('is kept without credentials in its message: %s', async (message, shown) => {
    const proxy = await registryWith('Basic', answer(404));
    const credentials = () => Promise.reject(Object.assign(new Error(message), request));
    const error = await failureOf(client(proxy, { credentials }).fetchManifest('v1'));
    expectSafeAndComplete(error);
    expect(error).toMatchObject({ code: 'ERR_MLIST_CREDENTIALS', reference: proxy.host });
    expect((error as MlistError).message).toContain(shown);
    expect((error as MlistError).cause).toMatchObject({ message: shown });
  });
});

test('an unhandled rejection prints no credentials', async () => {
  const proxy = await registryWith('Basic', reset);
  const library = pathToFileURL(fileURLToPath(new URL('../../../dist/index.js', import.meta.url))).href;
  const script = `
    import { createClient } from ${JSON.stringify(library)};
    const credentials = async () => ({ type: 'basic', username: 'me', password: process.env.SECRET });
    const mlist = createClient({ env: {}, retries: 0, credentials });
    void mlist.inspect(process.env.REFERENCE);
  `;
  const env = { PATH: process.env['PATH'], SECRET: password, REFERENCE: `${proxy.host}/team/app:v1` };
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stderr] = await Promise.all([text(child.stderr), once(child, 'close')]);
  expect([child.exitCode, stderr]).toEqual([
    1,
    expect.stringContaining('closed the connection unexpectedly (ECONNRESET)'),
  ]);
  for (const secret of secrets) expect(stderr).not.toContain(secret);
});
