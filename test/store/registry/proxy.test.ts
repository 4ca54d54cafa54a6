import { createServer, type AddressInfo, type Socket } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { proxiesOf } from '../../../src/store/registry/http/proxy.ts';
import { ForwardProxy, type ForwardProxyOptions } from '../../support/forward-proxy.ts';
import { Authority } from '../../support/certificates.ts';
import { describeWith } from '../../support/programs.ts';
import { bytesOf, imageOf, withFolder } from '../samples.ts';
import { cleanup, layerOf, put, repository, served, session } from './setup.ts';

describe('the choice of the proxy', () => {
  const env = { HTTP_PROXY: 'http://plain.test:3128', HTTPS_PROXY: 'secure.test:8080' };
  const chosen = (url: string, more: Readonly<Record<string, string>>) => proxiesOf(more)(new URL(url))?.url.href;

  test.each<[string, Readonly<Record<string, string>>, string, string | undefined]>([
    ['by scheme: http', env, 'http://a.test', 'http://plain.test:3128/'],
    ['by scheme: https, without a scheme of its own', env, 'https://a.test', 'http://secure.test:8080/'],
    ['in lower case', { https_proxy: 'http://p.test' }, 'https://a.test', 'http://p.test/'],
    [
      'upper case first',
      { HTTPS_PROXY: 'http://u.test', https_proxy: 'http://l.test' },
      'https://a.test',
      'http://u.test/',
    ],
    ['none for an empty variable', { HTTPS_PROXY: '' }, 'https://a.test', undefined],
    [
      'no HTTP_PROXY in a CGI script',
      { HTTP_PROXY: 'http://p.test', REQUEST_METHOD: 'GET' },
      'http://a.test',
      undefined,
    ],
    ['none for localhost', env, 'http://localhost:5000', undefined],
    ['none for a name below localhost', env, 'http://a.localhost', undefined],
    ['none for 127.0.0.0/8', env, 'http://127.1.2.3', undefined],
    ['none for ::1', env, 'https://[::1]:5000', undefined],
  ])('%s', (_name, more, url, expected) => {
    expect(chosen(url, more)).toBe(expected);
  });

  test.each<[string, string, boolean]>([
    ['*', 'https://a.test', true],
    ['a.test', 'https://a.test', true],
    ['a.test', 'https://b.a.test', true],
    ['a.test', 'https://ba.test', false],
    ['A.Test', 'https://a.test', true],
    ['.a.test', 'https://b.a.test', true],
    ['.a.test', 'https://a.test', false],
    ['*.a.test', 'https://b.a.test', true],
    ['x.test, a.test', 'https://a.test', true],
    ['x.test a.test', 'https://a.test', true],
    ['a.test:5000', 'https://a.test:5000', true],
    ['a.test:5000', 'https://a.test', false],
    ['a.test:443', 'https://a.test', true],
    ['10.1.2.3', 'https://10.1.2.3:5000', true],
    ['10.1.2.3:5000', 'https://10.1.2.3:5000', true],
    ['10.1.2.3:5000', 'https://10.1.2.3', false],
    ['10.0.0.0/8', 'https://10.200.1.1', true],
    ['10.0.0.0/8', 'https://11.0.0.1', false],
    ['10.0.0.0/8', 'https://ten.test', false],
    ['fd00::/8', 'https://[fd12::1]:5000', true],
    ['fd00::/8', 'https://[fe80::1]', false],
    ['fd12:0:0::1', 'https://[fd12::1]', true],
    ['[fd12::1]:5000', 'https://[fd12::1]:5000', true],
    ['[fd12::1]:5000', 'https://[fd12::1]:5001', false],
    ['10.0.0.0/64', 'https://10.0.0.1', false],
    ['/8', 'https://a.test', false],
  ])('NO_PROXY=%s and %s: direct is %s', (exceptions, url, isDirect) => {
    expect(chosen(url, { ...env, NO_PROXY: exceptions }) === undefined).toBe(isDirect);
  });

  test.each(['ftp://p.test', 'http://', 'http://user:my-secret@', '::'])(
    '%j is no proxy, and is not shown',
    (value) => {
      const faulty = () => proxiesOf({ HTTPS_PROXY: value });
      expect(faulty).toThrow(expect.objectContaining({ code: 'ERR_MLIST_USAGE' }));
      expect(faulty).not.toThrow(/my-secret/);
    },
  );
});

/** A registry under a public name, over http. */
async function behind(options: Omit<ForwardProxyOptions, 'hosts'> = {}) {
  const { proxy } = await served();
  const forwardProxy = cleanup(await ForwardProxy.start({ hosts: { 'registry.example:80': proxy.port }, ...options }));
  const open = (env: Readonly<Record<string, string>> = forwardProxy.env, more: Parameters<typeof session>[0] = {}) =>
    repository(session({ plainHttp: ['registry.example'], env, retries: 1, ...more }), 'registry.example', 'repo');
  return { proxy, forwardProxy, open };
}

describe('a registry over http', () => {
  test('is requested through the proxy by its absolute URL, including bodies', async () => {
    const { proxy, forwardProxy, open } = await behind();
    const blob = layerOf(300_000);
    const { manifest, config, layers } = imageOf('x');
    for (const content of [blob, config, ...layers]) await put(open(), content);
    await open().putManifest(manifest, 'v1');
    expect((await bytesOf(open().readBlob(blob.descriptor))).equals(blob.bytes)).toBe(true);
    expect(forwardProxy.requests[0]).toBe('POST http://registry.example/v2/repo/blobs/uploads/');
    expect(forwardProxy.requests.every((line) => line.includes(' http://registry.example/v2/repo/'))).toBe(true);
    expect(proxy.requests.every(({ headers }) => headers.host === 'registry.example')).toBe(true);
  });

  test('is reached through a proxy that requires a login', async () => {
    const { proxy, forwardProxy, open } = await behind({ login: 'me:proxy-secret' });
    await put(open(), layerOf(10));
    expect(proxy.requests.map(({ status }) => status)).toEqual([202, 201]);
    const without = { HTTP_PROXY: forwardProxy.url.replace('me:proxy-secret@', '') };
    await expect(put(open(without), layerOf(10))).rejects.toMatchObject({
      message: expect.stringContaining('407') as unknown,
    });
  });
});

describeWith('openssl', 'a registry over https', () => {
  /** A registry with TLS under a public name, whose proxy may speak TLS itself. */
  async function securely(
    work: (parts: { readonly forwardProxy: ForwardProxy; readonly caFile: string }) => Promise<void>,
    options: { readonly login?: string; readonly tls?: boolean } = {},
  ) {
    await withFolder(async (folder) => {
      const authority = new Authority(folder);
      const tls = authority.sign('server', ['registry.example', '127.0.0.1']);
      const { proxy } = await served({}, { tls });
      const hosts = { 'registry.example:5443': proxy.port };
      const { login } = options;
      const forwardProxy = cleanup(
        await ForwardProxy.start({
          hosts,
          ...(login === undefined ? {} : { login }),
          ...(options.tls === true ? { tls } : {}),
        }),
      );
      await work({ forwardProxy, caFile: authority.certificate.certFile });
    });
  }

  test.each([
    ['through a tunnel', {}],
    ['through a tunnel of a proxy that requires a login', { login: 'me:proxy-secret' }],
    ['through a proxy that speaks TLS itself', { tls: true }],
  ])('is reached %s', (_name, options) =>
    securely(async ({ forwardProxy, caFile }) => {
      const repo = repository(session({ env: forwardProxy.env, caFile }), 'registry.example:5443', 'repo');
      const blob = layerOf(300_000);
      await Promise.all([put(repo, blob), put(repo, layerOf(10))]);
      expect((await bytesOf(repo.readBlob(blob.descriptor))).equals(blob.bytes)).toBe(true);
      expect(new Set(forwardProxy.requests)).toEqual(new Set(['CONNECT registry.example:5443']));
    }, options),
  );

  test.each([
    ['requires a login', { login: 'me:proxy-secret' }, 'registry.example:5443', '407', 'HTTPS_PROXY'],
    ['does not know the host', {}, 'other.example:5443', '403', 'NO_PROXY'],
  ])('is not reached through a proxy that %s', (_name, options, host, status, hint) =>
    securely(async ({ forwardProxy, caFile }) => {
      const env = { HTTPS_PROXY: forwardProxy.url.replace('me:proxy-secret@', '') };
      const repo = repository(session({ env, caFile }), host, 'repo');
      await expect(repo.resolve('v1')).rejects.toMatchObject({
        code: 'ERR_MLIST_NETWORK',
        message: expect.stringContaining(status) as unknown,
        hint: expect.stringContaining(hint) as unknown,
      });
      expect(forwardProxy.requests).toHaveLength(1);
    }, options),
  );

  /** A proxy that answers CONNECT with bytes, or not at all. */
  async function scripted(answers: (socket: Socket) => void): Promise<string> {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined).once('data', () => answers(socket));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanup({
      close: () => {
        for (const socket of sockets) socket.destroy();
        server.close();
      },
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  const established = 'HTTP/1.1 200 Connection established\r\n\r\n';
  const endless = (head: string, part: string) => (socket: Socket) => {
    socket.write(head);
    const write = () => {
      while (!socket.destroyed && socket.write(part.repeat(1000)));
      if (!socket.destroyed) socket.once('drain', write);
    };
    write();
  };
  const refused = (status: string) => (socket: Socket) => socket.end(`HTTP/1.1 ${status}\r\n\r\n`);

  test.each<[string, (socket: Socket) => void, code: string, reason: string]>([
    ['refuses with 502', refused('502 Bad Gateway'), 'NETWORK', 'HTTP 502'],
    ['refuses with 429', refused('429 Too Many Requests'), 'NETWORK', 'HTTP 429'],
    ['redirects', refused('307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/'), 'NETWORK', 'HTTP 307'],
    ['accepts without a tunnel', refused('204 No Content'), 'NETWORK', 'HTTP 204'],
    [
      'refuses with a body that never ends',
      endless('HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 999999999\r\n\r\n', 'x'),
      'NETWORK',
      'HTTP 407',
    ],
    ['sends headers that never end', endless('HTTP/1.1 200 OK\r\n', 'x: y\r\n'), 'NETWORK', 'proxy'],
    ['sends informational responses that never end', endless('', 'HTTP/1.1 103 Hints\r\n\r\n'), 'NETWORK', 'proxy'],
    ['sends garbage', (socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'), 'NETWORK', 'proxy'],
    ['closes the connection', (socket) => socket.end(), 'NETWORK', 'proxy'],
    ['resets the connection', (socket) => socket.resetAndDestroy(), 'NETWORK', 'proxy'],
    ['never answers', () => undefined, 'TIMEOUT', 'proxy'],
    ['closes the tunnel', (socket) => socket.end(established), 'NETWORK', 'ECONNRESET'],
    [
      'resets the tunnel',
      (socket) => socket.write(established, () => socket.resetAndDestroy()),
      'NETWORK',
      'ECONNRESET',
    ],
    ['sends garbage in the tunnel', (socket) => socket.write(`${established}garbage`), 'NETWORK', 'TLS'],
    ['sends nothing in the tunnel', (socket) => socket.write(established), 'TIMEOUT', ''],
  ])('is not reached through a proxy that %s', async (_name, answers, code, reason) => {
    const env = { HTTPS_PROXY: await scripted(answers) };
    const timeoutMs = code === 'TIMEOUT' ? 300 : 20_000;
    for (const http1 of [false, true]) {
      const repo = repository(session({ env, timeoutMs, retries: 0, http1 }), 'registry.example', 'repo');
      await expect(repo.resolve('v1')).rejects.toMatchObject({
        code: `ERR_MLIST_${code}`,
        exitCode: 7,
        message: expect.stringContaining(reason) as unknown,
      });
    }
  });

  test('is not reached through a proxy that does not run', async () => {
    const env = { HTTPS_PROXY: 'http://127.0.0.1:1' };
    const repo = repository(session({ env, retries: 0 }), 'registry.example', 'repo');
    await expect(repo.resolve('v1')).rejects.toMatchObject({
      code: 'ERR_MLIST_NETWORK',
      message: expect.stringContaining('proxy') as unknown,
    });
  });
});
