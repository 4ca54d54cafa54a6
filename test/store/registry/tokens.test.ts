import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import { asMlistError } from '../../../src/errors/errors.ts';
import type { Credentials, CredentialsSource } from '../../../src/store/registry/credentials/credentials.ts';
import type { RegistryOptions } from '../../../src/store/registry/registry-options.ts';
import { parseReference } from '../../../src/oci/reference.ts';
import { answer, hang, reset, type RecordingProxy, type Rule } from '../../support/recording-proxy.ts';
import { guard, TokenService, type GuardOptions, type TokenServiceOptions } from '../../support/token-service.ts';
import { imageOf, withFolder } from '../samples.ts';
import { cleanup, layerOf, pieces, put, repository, served, session } from './setup.ts';

const me: Credentials = { type: 'basic', username: 'me', password: 'my-secret-password' };
const users = { me: 'my-secret-password', other: 'other-secret' };

function always(credentials: Credentials): CredentialsSource {
  return () => Promise.resolve(credentials);
}

/** A registry that requires tokens, and a session that may request them. */
async function guarded(
  service: TokenServiceOptions = {},
  options: GuardOptions & Partial<Pick<RegistryOptions, 'credentials' | 'retries' | 'timeoutMs'>> = {},
) {
  const { proxy, host, upstream } = await served();
  const tokens = cleanup(await TokenService.start({ users, ...service }));
  guard(proxy, tokens, options);
  const authHosts = [{ registry: host, host: tokens.proxy.host }];
  const { credentials = always(me), retries = 4, timeoutMs = 60_000 } = options;
  const client = session({ credentials, authHosts, retries, timeoutMs });
  const expect = (paths: readonly string[], push: boolean) =>
    client.expect(paths.map((path) => ({ reference: parseReference(`${host}/${path}`), push })));
  return { proxy, host, upstream, tokens, client, expect, at: (path: string) => repository(client, host, path) };
}

/** Pushes an image to the registry without authentication. */
async function putImage(upstream: string, path: string, seed = path): Promise<string> {
  const to = repository(session(), new URL(upstream).host, path);
  const { config, layers, manifest } = imageOf(seed);
  for (const blob of [config, ...layers]) await put(to, blob);
  await to.putManifest(manifest, 'v1');
  return manifest.descriptor.digest;
}

function refusals(proxy: RecordingProxy): number {
  return proxy.requests.filter(({ status }) => status === 401 || status === 403).length;
}

/** Moves the clock of `performance.now` forward until the test ends. */
function skipTime(milliseconds: number): void {
  const now = performance.now.bind(performance);
  const spy = jest.spyOn(performance, 'now').mockImplementation(() => now() + milliseconds);
  cleanup({ close: () => spy.mockRestore() });
}

describe('tokens', () => {
  test('one covers all announced repositories', async () => {
    const { at, expect: expecting, tokens, upstream } = await guarded();
    const paths = Array.from({ length: 12 }, (_, n) => `team/app-${n}`);
    for (const path of paths) await putImage(upstream, path);
    expecting(paths, false);
    expecting(['team/target'], true);
    await Promise.all(paths.map((path) => at(path).fetchManifest('v1')));
    await put(at('team/target'), layerOf(1000));
    expect(tokens.requests).toHaveLength(1);
    expect(tokens.requests[0]).toMatchObject({ method: 'GET', service: 'registry.test', account: 'me' });
    expect(tokens.requests[0]!.scopes).toHaveLength(13);
    expect(tokens.requests[0]!.scopes).toContain('repository:team/target:pull,push');
  });

  test('the needed scope comes first', async () => {
    const { at, expect: expecting, tokens, upstream } = await guarded();
    await putImage(upstream, 'c');
    expecting(['a', 'b', 'c'], false);
    await at('c').fetchManifest('v1');
    expect(tokens.requests[0]!.scopes[0]).toBe('repository:c:pull');
  });

  test('have at most twenty scopes, and each includes the target', async () => {
    const { at, expect: expecting, tokens, upstream } = await guarded();
    const paths = Array.from({ length: 45 }, (_, n) => `app-${n}`);
    for (const path of paths) await putImage(upstream, path, 'same');
    expecting(['target'], true);
    expecting(paths, false);
    const [layer] = imageOf('same').layers;
    const never = (): AsyncIterable<Uint8Array> => {
      throw new Error('nothing is to be uploaded');
    };
    for (const path of paths) await at('target').mountBlob(layer!.descriptor, at(path), never);
    expect(tokens.requests.map(({ scopes }) => scopes.length)).toEqual([20, 20, 8]);
    for (const { scopes } of tokens.requests) expect(scopes).toContain('repository:target:pull,push');
  });

  test.each<[string, TokenServiceOptions]>([
    ['gives the first scope only', { grant: (scopes) => scopes.slice(0, 1) }],
    ['refuses several scopes', { grant: (scopes) => (scopes.length > 1 ? undefined : scopes) }],
    ['drops a scope that it does not know', { grant: (scopes) => scopes.filter((scope) => !scope.includes(':b:')) }],
  ])('are requested one by one if the service %s', async (_name, service) => {
    const { at, expect: expecting, upstream, tokens } = await guarded(service);
    const digests = { a: await putImage(upstream, 'a'), c: await putImage(upstream, 'c') };
    expecting(['a', 'b', 'c'], false);
    expect((await at('a').fetchManifest('v1')).descriptor.digest).toBe(digests.a);
    expect((await at('c').fetchManifest('v1')).descriptor.digest).toBe(digests.c);
    expect(tokens.requests.length).toBeLessThanOrEqual(3);
  });

  test.each<[string, TokenServiceOptions, GuardOptions]>([
    ['the token service refuses', { grant: (scopes) => refuseTwo(scopes) }, {}],
    ['the registry refuses with 401', { grant: (scopes) => targetOnly(scopes) }, {}],
    ['the registry refuses with 403', { grant: (scopes) => targetOnly(scopes) }, { denial: 403 }],
  ])('for source and target are not required: %s', async (_name, service, options) => {
    const { at, expect: expecting, upstream } = await guarded(service, options);
    await putImage(upstream, 'source', 'x');
    const [layer] = imageOf('x').layers;
    expecting(['source'], false);
    expecting(['target'], true);
    const open = () => pieces(layer!.bytes);
    expect(await at('target').mountBlob(layer!.descriptor, at('source'), open)).toBe('uploaded');
    expect(await at('target').hasBlob(layer!.descriptor)).toBe(true);
  });

  test.each<[string, GuardOptions]>([
    ['as the challenge says', {}],
    ['though the challenge does not say so', { silent: true }],
  ])('that have expired are replaced once for all requests, %s', async (_name, options) => {
    const { at, upstream, tokens } = await guarded({}, options);
    await putImage(upstream, 'a');
    await at('a').fetchManifest('v1');
    expect(tokens.requests).toHaveLength(1);
    // Without an error in the challenge, only a refused token of some age counts as expired.
    if (options.silent === true) skipTime(2_100);
    tokens.expire();
    const { layers, config } = imageOf('a');
    await Promise.all([
      at('a').fetchManifest('v1'),
      ...[...layers, config].map(({ descriptor }) => at('a').fetchBlob(descriptor)),
      at('a').resolve('v1'),
    ]);
    expect(tokens.requests).toHaveLength(2);
  });

  test('that expire during an upload are replaced', async () => {
    const { at, proxy, tokens } = await guarded();
    proxy.on(
      /^PUT .*uploads/,
      (exchange) => {
        tokens.expire();
        void answer(401, { 'www-authenticate': challengeOf(tokens) })(exchange);
      },
      1,
    );
    const blob = layerOf(2_000_000);
    await put(at('a'), blob);
    expect(await at('a').hasBlob(blob.descriptor)).toBe(true);
    expect(tokens.requests).toHaveLength(2);
  });

  test('that are about to expire are not used', async () => {
    const { at, upstream, tokens } = await guarded({ expiresIn: 5 });
    await putImage(upstream, 'a');
    await at('a').fetchManifest('v1');
    await at('a').resolve('v1');
    expect(tokens.requests).toHaveLength(1);
  });

  test('are requested with the scopes of the challenge', async () => {
    const { at, upstream, tokens } = await guarded();
    await putImage(upstream, 'a');
    await at('a').untag('v1');
    expect(tokens.requests.at(-1)!.scopes).toEqual(['repository:a:delete,pull']);
  });

  test('are requested once with a wrong password', async () => {
    const { at, proxy, tokens } = await guarded({}, { credentials: always({ ...me, password: 'wrong-password' }) });
    await expect(Promise.all([at('a').resolve('v1'), at('a').resolve('v2')])).rejects.toMatchObject({
      code: 'ERR_MLIST_UNAUTHORIZED',
    });
    expect(tokens.requests).toHaveLength(1);
    expect(refusals(proxy)).toBe(2);
  });

  test.each<[string, NonNullable<GuardOptions['asks']>]>([
    ['push', (scopes) => scopes.map((scope) => scope.replace(/pull$/, 'pull,push'))],
    ['every action', (scopes) => scopes.map((scope) => scope.replace(/pull$/, '*'))],
    ['another resource', (scopes) => [...scopes, 'registry:catalog:*']],
    ['another repository', (scopes) => [...scopes, 'repository:b:pull']],
  ])('cover parallel reads if the challenge also requires %s', async (_name, asks) => {
    const { at, upstream } = await guarded({}, { asks });
    for (const path of ['a', 'b']) await putImage(upstream, path);
    const reads = ['a', 'b'].flatMap((path) => [at(path).fetchManifest('v1'), at(path).resolve('v1')]);
    const images = await Promise.all(reads);
    expect(images).toHaveLength(4);
  });

  test.each<[string, GuardOptions, Record<string, string>]>([
    ['names its token service at the entrance only', { challenges: 'ping' }, {}],
    [
      'asks for more than pull',
      { asks: (scopes) => scopes.map((scope) => scope.replace(/pull$/, 'pull,push')) },
      { scope: 'repository:a:pull,push' },
    ],
  ])(
    'cover a read that is refused after another one got a token: the registry %s',
    async (_name, options, parameters) => {
      const { at, proxy, upstream, tokens } = await guarded({}, options);
      await putImage(upstream, 'a');
      const challenge = `Bearer realm="${tokens.realm}",service="registry.test",scope="${parameters['scope']}"`;
      const headers = parameters['scope'] === undefined ? {} : { 'www-authenticate': challenge };
      const late: Rule = async (exchange) => {
        while (tokens.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
        await answer(401, headers)(exchange);
      };
      proxy.on(/^HEAD .*manifests/, late, 1);
      await Promise.all([at('a').resolve('v1'), at('a').fetchManifest('v1')]);
    },
  );

  test('are also issued anonymously', async () => {
    const { at, upstream, tokens } = await guarded({}, { credentials: () => Promise.resolve(undefined) });
    await putImage(upstream, 'a');
    await at('a').fetchManifest('v1');
    expect(tokens.requests).toMatchObject([{ account: undefined, scopes: ['repository:a:pull'] }]);
    await expect(put(at('a'), layerOf(10))).rejects.toMatchObject({ code: 'ERR_MLIST_UNAUTHORIZED' });
  });
});

function refuseTwo(scopes: readonly string[]): readonly string[] | undefined {
  return scopes.length > 1 ? undefined : scopes;
}

function targetOnly(scopes: readonly string[]): readonly string[] {
  return scopes.filter((scope) => scope.includes(':target:'));
}

function challengeOf(tokens: TokenService): string {
  return `Bearer realm="${tokens.realm}",service="registry.test",error="invalid_token"`;
}

describe('a token request', () => {
  test('uses POST for an identity token', async () => {
    const { at, upstream, tokens } = await guarded(
      { refreshTokens: { 'refresh-me': 'me' } },
      { credentials: always({ type: 'identity', token: 'refresh-me' }) },
    );
    await putImage(upstream, 'a');
    await at('a').fetchManifest('v1');
    expect(tokens.requests).toHaveLength(1);
    expect(Object.fromEntries(tokens.requests[0]!.form)).toEqual({
      grant_type: 'refresh_token',
      refresh_token: 'refresh-me',
      client_id: 'mlist',
      service: 'registry.test',
      scope: 'repository:a:pull',
    });
  });

  test('reports that the service does not support identity tokens', async () => {
    const credentials = always({ type: 'identity', token: 'refresh-me' });
    const { at } = await guarded({ methods: ['GET'] }, { credentials });
    await expect(at('a').resolve('v1')).rejects.toMatchObject({
      code: 'ERR_MLIST_UNAUTHORIZED',
      message: expect.stringContaining('identity token') as unknown,
    });
  });

  test('uses POST for a password if GET is not supported', async () => {
    const { at, upstream, tokens } = await guarded({ methods: ['POST'] });
    await putImage(upstream, 'a');
    await at('a').fetchManifest('v1');
    expect(tokens.requests.map(({ method }) => method)).toEqual(['GET', 'POST']);
    expect(tokens.requests[1]!.form.get('grant_type')).toBe('password');
  });

  test('is not sent for a registry token', async () => {
    const { proxy, host, upstream } = await served();
    await putImage(upstream, 'a');
    proxy.on(/ \/v2\//, (exchange) =>
      exchange.seen.headers.authorization === 'Bearer as-it-is'
        ? exchange.pass()
        : answer(401, { 'www-authenticate': 'Bearer realm="https://elsewhere.example/token"' })(exchange),
    );
    const client = session({ credentials: always({ type: 'bearer', token: 'as-it-is' }) });
    await repository(client, host, 'a').fetchManifest('v1');
  });

  test.each<[string, GuardOptions]>([
    ['stands at the entrance only', { challenges: 'ping' }],
    ['stands behind others', { before: 'Negotiate, Basic realm="x, \\"y\\"", NTLM abc==, ' }],
    ['stands behind a Bearer challenge without an address', { before: 'Basic realm="x", Bearer realm="x", ' }],
  ])('finds a challenge that %s', async (_name, options) => {
    const { at, upstream, tokens } = await guarded({}, options);
    await putImage(upstream, 'a');
    await at('a').fetchManifest('v1');
    expect(tokens.requests).toHaveLength(1);
  });

  test.each([
    ['429 that asks for patience', answer(429, { 'retry-after': '0.1' })],
    ['503', answer(503)],
    ['408', answer(408)],
    ['404', answer(404)],
    ['405', answer(405)],
    ['a broken connection', reset],
  ])('is repeated after %s', async (_name, fault) => {
    for (const credentials of [me, { type: 'identity', token: 'refresh-me' } as const, undefined]) {
      const { at, upstream, tokens } = await guarded(
        { refreshTokens: { 'refresh-me': 'me' }, methods: [credentials?.type === 'identity' ? 'POST' : 'GET'] },
        { credentials: () => Promise.resolve(credentials) },
      );
      await putImage(upstream, 'a');
      tokens.proxy.on(/token/, fault, 1);
      await at('a').fetchManifest('v1');
    }
  });

  test.each([404, 405, 408, 414, 500])('does not blame the login for a status of %d', async (status) => {
    for (const credentials of [me, undefined]) {
      const { at, tokens } = await guarded({}, { retries: 1, credentials: () => Promise.resolve(credentials) });
      tokens.proxy.on(/token/, answer(status));
      await expect(at('a').resolve('v1')).rejects.toMatchObject({
        code: 'ERR_MLIST_REGISTRY',
        message: expect.stringMatching(new RegExp(`did not issue a token for .*\\(HTTP ${status}\\)`)) as unknown,
      });
    }
  });

  test.each([
    [414, undefined],
    [500, 'Try again later.'],
  ])('suggests a retry only if it may succeed: status %d', async (status, hint) => {
    const { at, tokens } = await guarded({}, { retries: 0 });
    tokens.proxy.on(/token/, answer(status));
    const thrown: unknown = await at('a')
      .resolve('v1')
      .catch((error: unknown) => error);
    expect(asMlistError(thrown).facts.hint).toBe(hint);
  });

  test('for source and target may fail with 404: then the blob is uploaded', async () => {
    const { at, expect: expecting, tokens, upstream } = await guarded({ methods: ['GET'] }, { retries: 0 });
    await putImage(upstream, 'source', 'x');
    const [layer] = imageOf('x').layers;
    expecting(['target'], true);
    tokens.proxy.on(/token.*source/, answer(404));
    expect(await at('target').mountBlob(layer!.descriptor, at('source'), () => pieces(layer!.bytes))).toBe('uploaded');
  });

  test.each([
    ['hangs', hang, 'ERR_MLIST_TIMEOUT'],
    ['sends no token', answer(200, {}, '{}'), 'ERR_MLIST_REGISTRY'],
    ['sends a token with a line break', answer(200, {}, '{"token":"a\\r\\nx: y"}'), 'ERR_MLIST_REGISTRY'],
    ['sends too much', answer(200, {}, Buffer.alloc(2_000_000, ' ')), 'ERR_MLIST_DOCUMENT_INVALID'],
    ['sends no JSON', answer(200, {}, '<html>'), 'ERR_MLIST_REGISTRY'],
    ['redirects', answer(307, { location: 'http://127.0.0.1:1/token' }), 'ERR_MLIST_REGISTRY'],
  ])('fails if the service %s', async (_name, fault, code) => {
    const { at, tokens } = await guarded({}, { retries: 0, ...(fault === hang ? { timeoutMs: 300 } : {}) });
    tokens.proxy.on(/token/, fault);
    await expect(at('a').resolve('v1')).rejects.toMatchObject({ code });
  });
});

describe('accounts', () => {
  test('may differ between the namespaces of one registry', async () => {
    const credentials: CredentialsSource = (_registry, path = '') =>
      Promise.resolve(path.startsWith('theirs/') ? { type: 'basic', username: 'other', password: 'other-secret' } : me);
    const grant = (scopes: readonly string[], account: string | undefined) =>
      scopes.filter((scope) => scope.startsWith('repository:theirs/') === (account === 'other'));
    const { at, expect: expecting, upstream, tokens } = await guarded({ grant }, { credentials });
    for (const path of ['mine/a', 'mine/b', 'theirs/c']) await putImage(upstream, path, 'x');
    expecting(['mine/a', 'mine/b', 'theirs/c'], false);
    expecting(['mine/target'], true);
    await Promise.all(['mine/a', 'mine/b', 'theirs/c'].map((path) => at(path).fetchManifest('v1')));
    expect(tokens.requests.map(({ account }) => account).sort()).toEqual(['me', 'other']);
    const [layer] = imageOf('x').layers;
    const open = () => pieces(layer!.bytes);
    expect(await at('mine/target').mountBlob(layer!.descriptor, at('theirs/c'), open)).toBe('uploaded');
  });

  test('are sent with Basic if the registry requires it', () =>
    withFolder(async (folder) => {
      const htpasswd = join(folder, 'htpasswd');
      await writeFile(htpasswd, `me:{SHA256}${createHash('sha256').update('my-secret-password').digest('base64')}\n`);
      const { proxy, host } = await served({ htpasswd });
      const target = repository(session({ credentials: always(me) }), host, 'a');
      const blob = layerOf(1000);
      await put(target, blob);
      expect(proxy.requests.map(({ status }) => status)).toEqual([401, 202, 201]);
      const anonymous = repository(session(), host, 'a');
      await expect(anonymous.fetchBlob(blob.descriptor)).rejects.toMatchObject({ code: 'ERR_MLIST_UNAUTHORIZED' });
      const wrong = repository(session({ credentials: always({ ...me, password: 'not-mine' }) }), host, 'a');
      proxy.clear();
      await expect(wrong.fetchBlob(blob.descriptor)).rejects.toMatchObject({ code: 'ERR_MLIST_UNAUTHORIZED' });
      expect(proxy.requests).toHaveLength(2);
    }));
});
