import { describe, expect, test } from '@jest/globals';
import type { Credentials } from '../../../src/store/registry/credentials/credentials.ts';
import type { Repository } from '../../../src/store/registry/repository.ts';
import { casesOf } from '../../support/long.ts';
import { answer, RecordingProxy, hang, type Rule } from '../../support/recording-proxy.ts';
import { Authority } from '../../support/certificates.ts';
import { ForwardProxy } from '../../support/forward-proxy.ts';
import { describeWith } from '../../support/programs.ts';
import { imageOf, withFolder } from '../samples.ts';
import { cleanup, pieces, put, repository, served, session } from './setup.ts';

/**
 * Attacks by a hostile registry, or by a host between it and the client. Each fails with an error that names it before the
 * timeout, and only the registry receives the password. A proxy maps hosts under `.example` to this machine.
 */
const password = 'my-secret-password';
const me: Credentials = { type: 'basic', username: 'me', password };
const image = imageOf('x');
const { manifest } = image;
const [layer] = image.layers;
const bearer = (realm: string) => answer(401, { 'www-authenticate': `Bearer realm="${realm}",service="x"` });
const wantsLogin = answer(401, { 'www-authenticate': 'Basic realm="x"' });

function onlyWithLogin(rule: Rule): Rule {
  return (exchange) => (exchange.seen.headers.authorization === undefined ? wantsLogin : rule)(exchange);
}

/** Another host that records requests. */
async function startOtherServer(rule: Rule = answer(200)): Promise<RecordingProxy> {
  const proxy = cleanup(await RecordingProxy.start());
  proxy.on(/./, rule);
  return proxy;
}

function sawNoSecret(proxy: RecordingProxy): void {
  for (const { headers, path } of proxy.requests) {
    expect([headers.authorization, headers['proxy-authorization'], headers.cookie]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(path).not.toContain(password);
  }
}

function client(host: string, options: Parameters<typeof session>[0] = {}): Repository {
  const credentials = () => Promise.resolve(me);
  return repository(session({ credentials, retries: 0, ...options }), host, 'repo');
}

describe('a redirect', () => {
  test.each<[string, (other: RecordingProxy) => string]>([
    ['to another port', (other) => `http://${other.host}/stolen`],
    ['to another name of this machine', (other) => `http://localhost:${other.port}/stolen`],
  ])('%s is followed without the login', async (_name, locationOf) => {
    const other = await startOtherServer(
      answer(200, { 'content-type': manifest.descriptor.mediaType }, manifest.bytes),
    );
    const proxy = cleanup(await RecordingProxy.start());
    proxy.on(/manifests/, onlyWithLogin(answer(307, { location: locationOf(other) })));
    const content = await client(proxy.host).fetchManifest(manifest.descriptor.digest);
    expect(content.descriptor.digest).toBe(manifest.descriptor.digest);
    expect(other.requests).toHaveLength(1);
    sawNoSecret(other);
  });

  test('through another host does not get the login again', async () => {
    const proxy = cleanup(await RecordingProxy.start());
    const other = await startOtherServer((exchange) => answer(307, { location: `${proxy.url}/v2/private` })(exchange));
    proxy.on(/manifests/, onlyWithLogin(answer(307, { location: other.url })));
    proxy.on(/private/, answer(403));
    await expect(client(proxy.host).fetchManifest('v1')).rejects.toMatchObject({ code: 'ERR_MLIST_UNAUTHORIZED' });
    sawNoSecret(other);
    expect(proxy.requests.at(-1)).toMatchObject({ path: '/v2/private' });
    expect(proxy.requests.at(-1)!.headers.authorization).toBeUndefined();
  });

  test.each([
    ['without an end', (proxy: RecordingProxy) => `${proxy.url}/v2/repo/manifests/again`, 'ERR_MLIST_REGISTRY'],
    ['to a file', () => 'file:///etc/passwd', 'ERR_MLIST_FORBIDDEN_ADDRESS'],
    ['with a user name', () => 'http://me:x@127.0.0.1/', 'ERR_MLIST_FORBIDDEN_ADDRESS'],
    ['with an invalid address', () => 'http://[', 'ERR_MLIST_REGISTRY'],
  ])('%s ends in an error', async (_name, locationOf, code) => {
    const proxy = cleanup(await RecordingProxy.start());
    proxy.on(/./, (exchange) => answer(307, { location: locationOf(proxy) })(exchange));
    await expect(client(proxy.host).fetchManifest('v1')).rejects.toMatchObject({ code });
  });

  test('of an upload is followed with the same bytes and without the login', async () => {
    const other = await startOtherServer(answer(201));
    const proxy = cleanup(await RecordingProxy.start());
    proxy.on(/^POST/, onlyWithLogin(answer(202, { location: '/v2/repo/blobs/uploads/1' })));
    proxy.on(/^PUT/, answer(307, { location: `${other.url}/bucket` }));
    await put(client(proxy.host), layer!);
    expect(other.requests).toMatchObject([{ method: 'PUT', received: layer!.bytes.length }]);
    sawNoSecret(other);
  });
});

describe('an upload location', () => {
  test('on another host receives the bytes but no login', async () => {
    const other = await startOtherServer(answer(201));
    const proxy = cleanup(await RecordingProxy.start());
    proxy.on(/^POST/, onlyWithLogin(answer(202, { location: `${other.url}/bucket?signature=x` })));
    await put(client(proxy.host), layer!);
    expect(other.requests).toMatchObject([{ method: 'PUT' }]);
    expect(other.requests[0]!.path).toMatch(/^\/bucket\?signature=x&digest=sha256/);
    sawNoSecret(other);
  });

  test.each([
    ['on another host is cancelled without the login', true],
    ['of the registry is cancelled with the login', false],
  ])('%s', async (_name, isElsewhere) => {
    const proxy = cleanup(await RecordingProxy.start());
    const other = isElsewhere ? await startOtherServer(answer(204)) : proxy;
    proxy.on(/^POST/, onlyWithLogin(answer(202, { location: `${other.url}/bucket?signature=x` })));
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield layer!.bytes.subarray(0, 1);
      throw await Promise.resolve(new Error('the disk is gone'));
    }
    await expect(client(proxy.host).putBlob(layer!.descriptor, failing)).rejects.toThrow('the disk is gone');
    expect(other.requests.at(-1)).toMatchObject({ method: 'DELETE', path: '/bucket?signature=x' });
    if (isElsewhere) sawNoSecret(other);
    else expect(other.requests.at(-1)!.headers.authorization).toBeDefined();
  });

  test.each([
    ['is not there', {}],
    ['is not an address', { location: 'http://[' }],
    ['is a file', { location: 'file:///tmp/x' }],
  ])('that %s ends in an error', async (_name, headers) => {
    const proxy = cleanup(await RecordingProxy.start());
    proxy.on(/^POST/, answer(202, headers));
    await expect(put(client(proxy.host), layer!)).rejects.toMatchObject({
      code: expect.stringMatching(/REGISTRY|FORBIDDEN/) as unknown,
    });
  });
});

describe('a token service', () => {
  test('on another host receives nothing, and the error has the setting that would allow it as its remedy', async () => {
    const other = await startOtherServer(answer(200, {}, '{"token":"x"}'));
    const proxy = cleanup(await RecordingProxy.start());
    proxy.on(/./, bearer(`${other.url}/token`));
    await expect(client(proxy.host).fetchManifest('v1')).rejects.toMatchObject({
      code: 'ERR_MLIST_UNAUTHORIZED',
      exitCode: 6,
      facts: { remedy: { kind: 'trust-token-service', registry: proxy.host, host: other.host } },
    });
    expect(other.requests).toHaveLength(0);
  });

  test('on another host receives anonymous requests', async () => {
    const other = await startOtherServer(answer(200, {}, '{"token":"x"}'));
    const proxy = cleanup(await RecordingProxy.start());
    proxy.on(/./, bearer(`${other.url}/token`));
    const anonymous = { credentials: () => Promise.resolve(undefined) };
    await expect(client(proxy.host, anonymous).fetchManifest('v1')).rejects.toMatchObject({ exitCode: 6 });
    expect(other.requests).toHaveLength(1);
    sawNoSecret(other);
  });

  test.each([
    ['with another scheme', 'ftp://127.0.0.1/token'],
    ['with a user name', 'http://a:b@127.0.0.1/token'],
    ['with a fragment', 'http://127.0.0.1/token#x'],
    ['without a host', '/token'],
  ])('%s is refused', async (_name, realm) => {
    const proxy = cleanup(await RecordingProxy.start());
    proxy.on(/./, bearer(realm));
    await expect(client(proxy.host).fetchManifest('v1')).rejects.toMatchObject({ code: 'ERR_MLIST_FORBIDDEN_ADDRESS' });
  });

  test('never sees the token of another registry', async () => {
    const proxy = cleanup(await RecordingProxy.start());
    const other = await startOtherServer(
      answer(200, { 'content-type': manifest.descriptor.mediaType }, manifest.bytes),
    );
    proxy.on(/token/, answer(200, {}, '{"token":"secret-token"}'));
    proxy.on(/manifests/, (exchange) =>
      exchange.seen.headers.authorization === undefined
        ? bearer(`${proxy.url}/token`)(exchange)
        : answer(302, { location: other.url })(exchange),
    );
    await client(proxy.host).fetchManifest(manifest.descriptor.digest);
    expect(proxy.requestsMatching(/token/)[0]!.headers.authorization).toMatch(/^Basic /);
    sawNoSecret(other);
  });
});

/** A registry with TLS and a public name, and servers with other names. */
async function publicly(
  work: (
    registry: RecordingProxy,
    hosts: Readonly<Record<string, RecordingProxy>>,
    repo: (host?: string) => Repository,
  ) => Promise<void>,
): Promise<void> {
  await withFolder(async (folder) => {
    const authority = new Authority(folder);
    const names = ['registry.example', 'auth.registry.example', 'stranger.test', 'registry.gitlab.com', 'gitlab.com'];
    const tls = authority.sign('server', names);
    const secure = cleanup(await RecordingProxy.start({ tls }));
    const plain = cleanup(await RecordingProxy.start());
    const other = cleanup(await RecordingProxy.start({ tls }));
    const hosts = {
      'registry.example:443': secure.port,
      'registry.gitlab.com:443': secure.port,
      'registry.example:80': plain.port,
      'stranger.test:80': plain.port,
      'auth.registry.example:443': other.port,
      'gitlab.com:443': other.port,
      'stranger.test:443': other.port,
    };
    const forwardProxy = cleanup(await ForwardProxy.start({ hosts }));
    const repo = (host = 'registry.example') =>
      client(host, { env: forwardProxy.env, caFile: authority.certificate.certFile });
    await work(secure, { plain, other }, repo);
  });
}

describeWith('openssl', 'a registry with a public name', () => {
  test.each(['redirect', 'upload location', 'token realm'])('may not redirect from https to http: %s', (what) =>
    publicly(async (proxy, { plain }, repo) => {
      const location = 'http://registry.example/stolen';
      if (what === 'redirect') proxy.on(/manifests/, answer(307, { location }));
      if (what === 'token realm') proxy.on(/manifests/, bearer(location));
      proxy.on(/^POST/, answer(202, { location }));
      const work = what === 'upload location' ? put(repo(), layer!) : repo().fetchManifest('v1');
      await expect(work).rejects.toMatchObject({
        code: 'ERR_MLIST_FORBIDDEN_ADDRESS',
        message: expect.stringContaining('not encrypted') as unknown,
      });
      expect(plain!.requests).toHaveLength(0);
    }),
  );

  const addresses = [
    '127.0.0.1',
    '10.1.2.3',
    '172.20.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '[::1]',
    '[fd00::1]',
    '[fe80::1]',
    '[::ffff:10.0.0.1]',
    '2130706433',
    '0x7f.1',
    'localhost',
    'app.localhost',
    '[::7f00:1]',
    '[64:ff9b::a00:1]',
  ];
  test.each(casesOf(addresses, 3))('may not redirect to the private address %s', (address) =>
    publicly(async (proxy, _hosts, repo) => {
      proxy.on(/manifests/, answer(307, { location: `https://${address}/latest/meta-data` }));
      proxy.on(/tags/, bearer(`https://${address}/token`));
      proxy.on(/^POST/, answer(202, { location: `https://${address}/x` }));
      const code = 'ERR_MLIST_FORBIDDEN_ADDRESS';
      await expect(repo().fetchManifest('v1')).rejects.toMatchObject({ code });
      await expect(put(repo(), layer!)).rejects.toMatchObject({ code });
      await expect(repo().tags()[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code });
    }),
  );

  test.each([
    ['of the same registrable domain', 'registry.example', 'auth.registry.example', true],
    ['of a known pair', 'registry.gitlab.com', 'gitlab.com', true],
    ['of a stranger', 'registry.example', 'stranger.test', false],
    ['of another’s known pair', 'registry.example', 'gitlab.com', false],
  ])('has its login sent to the token service %s: %s, %s', (_name, registry, service, isTrusted) =>
    publicly(async (proxy, { other }, repo) => {
      proxy.on(/manifests/, bearer(`https://${service}/token`));
      other!.on(/token/, answer(200, {}, '{"token":"x"}'));
      await expect(repo(registry).fetchManifest('v1')).rejects.toMatchObject({ exitCode: 6 });
      expect(other!.requests.map(({ headers }) => headers.authorization?.slice(0, 6))).toEqual(
        isTrusted ? ['Basic '] : [],
      );
    }),
  );
});

describe('a response', () => {
  const type = { 'content-type': manifest.descriptor.mediaType };
  const { digest, mediaType, size } = manifest.descriptor;
  const other = imageOf('other').manifest;
  const wrongDigest = { 'docker-content-digest': other.descriptor.digest };
  const endless: Rule = ({ response }) => {
    response.writeHead(200, type);
    const write = () => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536, ' ')));
      if (!response.destroyed) response.once('drain', write);
    };
    write();
  };
  const trickle: Rule = ({ response }) => {
    response.writeHead(200, type);
    const timer = setInterval(() => (response.destroyed ? clearInterval(timer) : response.write(' ')), 200);
  };
  const midway: Rule = ({ response }) => {
    response.writeHead(200, { ...type, 'content-length': 1000 });
    response.write(Buffer.alloc(500));
  };
  const byTag = (repo: Repository) => repo.fetchManifest('v1');
  const byDigest = (repo: Repository) => repo.fetchManifest(digest);
  const expected = (repo: Repository) =>
    repo.fetchManifest(digest, { expected: { digest, mediaType, size: size + 1 } });
  const blob = (repo: Repository) => repo.fetchBlob(layer!.descriptor);
  const stream = async (repo: Repository) => {
    for await (const chunk of repo.readBlob(layer!.descriptor)) expect(chunk.length).toBeGreaterThan(0);
  };

  test.each<[string, Rule, (repo: Repository) => Promise<unknown>, string]>([
    ['with other bytes than the digest names', answer(200, type, other.bytes), byDigest, 'CONTENT_MISMATCH'],
    ['with another length than expected', answer(200, type, manifest.bytes), expected, 'CONTENT_MISMATCH'],
    [
      'with a digest header of something else',
      answer(200, { ...type, ...wrongDigest }, manifest.bytes),
      byTag,
      'CONTENT_MISMATCH',
    ],
    [
      'with an invalid digest header',
      answer(200, { ...type, 'docker-content-digest': 'x' }, manifest.bytes),
      byTag,
      'CONTENT_MISMATCH',
    ],
    [
      'that came compressed',
      answer(200, { ...type, 'content-encoding': 'gzip' }, manifest.bytes),
      byTag,
      'CONTENT_MISMATCH',
    ],
    ['of 1 GiB by its length', answer(200, { ...type, 'content-length': 2 ** 30 }), byTag, 'DOCUMENT_INVALID'],
    ['without an end', endless, byTag, 'DOCUMENT_INVALID'],
    ['that trickles', trickle, byTag, 'TIMEOUT'],
    ['with a header of 1 MiB', answer(200, { ...type, 'x-long': 'x'.repeat(2 ** 20) }), byTag, 'NETWORK'],
    ['that never comes', hang, byTag, 'TIMEOUT'],
    ['that stops in the middle', midway, byTag, 'TIMEOUT'],
    ['to a blob with other bytes', answer(200, {}, Buffer.alloc(layer!.bytes.length)), blob, 'CONTENT_MISMATCH'],
    [
      'to a blob with a digest header of something else',
      answer(200, wrongDigest, layer!.bytes),
      blob,
      'CONTENT_MISMATCH',
    ],
    ['to a blob with more bytes', answer(200, {}, Buffer.alloc(layer!.bytes.length + 1)), stream, 'CONTENT_MISMATCH'],
    ['to a blob with fewer bytes', answer(200, {}, layer!.bytes.subarray(1)), stream, 'CONTENT_MISMATCH'],
    [
      'to a blob with other bytes, streamed',
      answer(200, {}, Buffer.alloc(layer!.bytes.length)),
      stream,
      'CONTENT_MISMATCH',
    ],
    [
      'to a blob with a digest header of something else, streamed',
      answer(200, wrongDigest, layer!.bytes),
      stream,
      'CONTENT_MISMATCH',
    ],
    ['to a blob without an end', endless, stream, 'CONTENT_MISMATCH'],
    ['to a blob that never comes', hang, stream, 'TIMEOUT'],
    [
      'to a blob with a header of 1 MiB',
      answer(200, { 'x-long': 'x'.repeat(2 ** 20) }, layer!.bytes),
      stream,
      'NETWORK',
    ],
  ])('%s ends in an error', async (_name, rule, read, code) => {
    const proxy = cleanup(await RecordingProxy.start());
    proxy.on(/./, rule);
    const repo = client(proxy.host, code === 'TIMEOUT' ? { timeoutMs: 300 } : {});
    await expect(read(repo)).rejects.toMatchObject({
      code: `ERR_MLIST_${code}`,
      message: expect.stringContaining(proxy.host) as unknown,
    });
  });

  test.each<[string, RegExp, (repo: Repository) => Promise<unknown>]>([
    ['a manifest', /^PUT .*manifests/, (repo) => repo.putManifest(manifest, 'v1')],
    ['a blob', /^PUT .*uploads/, (repo) => put(repo, layer!)],
    ['a mount', /^POST/, (repo) => repo.mountBlob(layer!.descriptor, repo, () => pieces(layer!.bytes))],
  ])('to %s that states another digest ends in an error', async (_name, pattern, write) => {
    const proxy = cleanup(await RecordingProxy.start());
    proxy.on(/^POST/, answer(202, { location: '/v2/repo/blobs/uploads/1' }));
    proxy.on(pattern, answer(201, wrongDigest));
    await expect(write(client(proxy.host))).rejects.toMatchObject({ code: 'ERR_MLIST_CONTENT_MISMATCH' });
  });

  test.each<[string, RegExp, (repo: Repository) => Promise<unknown>]>([
    ['opening an upload', /^POST/, (repo) => put(repo, layer!)],
    ['an upload', /^PUT .*uploads/, (repo) => put(repo, layer!)],
    ['writing a manifest', /^PUT .*manifests/, (repo) => repo.putManifest(manifest, 'v1')],
    ['looking for a manifest', /^HEAD/, (repo) => repo.resolve('v1')],
    ['looking for a blob', /^HEAD/, (repo) => repo.hasBlob(layer!.descriptor)],
    ['listing tags', /tags/, (repo) => repo.tags()[Symbol.asyncIterator]().next()],
    ['deleting', /^DELETE/, (repo) => repo.untag('v1')],
  ])('to %s that never comes fails after the timeout', async (_name, pattern, work) => {
    const proxy = cleanup(await RecordingProxy.start());
    proxy.on(/^POST/, answer(202, { location: '/v2/repo/blobs/uploads/1' }));
    proxy.on(pattern, hang);
    await expect(work(client(proxy.host, { timeoutMs: 200 }))).rejects.toMatchObject({ code: 'ERR_MLIST_TIMEOUT' });
  });

  test('with a link to another host is not followed', async () => {
    const other = await startOtherServer(answer(200, {}, '{"tags":["stolen"]}'));
    const proxy = cleanup(await RecordingProxy.start());
    proxy.on(/tags/, answer(200, { link: `<${other.url}/v2/repo/tags/list?n=2>; rel="next"` }, '{"tags":["a"]}'));
    const tags = client(proxy.host).tags();
    expect(await tags.next()).toMatchObject({ value: 'a' });
    await expect(tags.next()).rejects.toMatchObject({ code: 'ERR_MLIST_FORBIDDEN_ADDRESS' });
    expect(other.requests).toHaveLength(0);
  });

  test('with pages that link to each other fails', async () => {
    const proxy = cleanup(await RecordingProxy.start());
    proxy.on(/tags/, answer(200, { link: '</v2/repo/tags/list?last=a>; rel=next' }, '{"tags":["a"]}'));
    const all = async () => {
      for await (const tag of client(proxy.host).tags()) expect(tag).toBe('a');
    };
    await expect(all()).rejects.toMatchObject({ code: 'ERR_MLIST_REGISTRY' });
  });
});

test('no event contains a secret', async () => {
  const { proxy, host } = await served();
  proxy.on(/./, (exchange) => {
    const { authorization = '' } = exchange.seen.headers;
    if (authorization === '') return wantsLogin(exchange);
    const body = JSON.stringify({ errors: [{ code: 'DENIED', message: `you sent ${authorization} ${password}` }] });
    const warning = `299 - "your password is ${password}"`;
    return answer(403, { warning }, body)(exchange);
  });
  const credentials = () => Promise.resolve(me);
  const from = session({ credentials });
  const failed: unknown = await repository(from, host, 'repo')
    .fetchManifest('v1')
    .catch((thrown: unknown) => thrown);
  const output = JSON.stringify([
    from.events,
    from.warnings,
    failed,
    String(failed),
    (failed as { facts: unknown }).facts,
  ]);
  expect(output).toContain('***');
  expect(output).not.toContain(password);
  expect(output).not.toContain(Buffer.from(`me:${password}`).toString('base64'));
});
