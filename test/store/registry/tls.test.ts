import { execFileSync } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import * as tls from 'node:tls';
import { rootCertificates } from 'node:tls';
import { describe, expect, test } from '@jest/globals';
import { asMlistError, type MlistError } from '../../../src/errors/errors.ts';
import { certificateFolders } from '../../../src/store/registry/http/certificates.ts';
import { Authority } from '../../support/certificates.ts';
import { runMlist } from '../../support/mlist.ts';
import { ForwardProxy } from '../../support/forward-proxy.ts';
import { answer, RecordingProxy, type Exchange } from '../../support/recording-proxy.ts';
import { describeWith } from '../../support/programs.ts';
import { imageOf, indexOf, withFolder } from '../samples.ts';
import { cleanup, repository, served, session } from './setup.ts';

const { manifest } = imageOf('x');
const list = indexOf([]);
const found = answer(200, { 'content-type': manifest.descriptor.mediaType }, manifest.bytes);
const untrusted = {
  code: 'ERR_MLIST_NETWORK',
  message: expect.stringContaining('is not trusted') as unknown,
  facts: { remedy: { kind: 'trust-certificate' } },
};

function tlsOf({ request }: Exchange): { readonly authorized: boolean; readonly getPeerCertificate: () => object } {
  return request.socket as unknown as ReturnType<typeof tlsOf>;
}

interface Parts {
  readonly folder: string;
  readonly authority: Authority;
  /** `registry.example`, and `other.example`, whose certificates come from the authority; `plain` speaks http. */
  readonly secure: RecordingProxy;
  readonly other: RecordingProxy;
  readonly plain: RecordingProxy;
  readonly forwardProxy: ForwardProxy;
  readonly read: (options?: Parameters<typeof session>[0], host?: string) => Promise<unknown>;
}

/** Registries under public names, which answer with a manifest. */
function withAuthority(
  work: (parts: Parts) => Promise<void>,
  { clients = false }: { readonly clients?: boolean } = {},
): Promise<void> {
  return withFolder(async (folder) => {
    const authority = new Authority(folder);
    const serverTls = {
      ...authority.sign('server', ['registry.example', 'other.example']),
      ca: authority.certificate.cert,
    };
    const secure = cleanup(await RecordingProxy.start({ tls: serverTls }));
    const other = cleanup(await RecordingProxy.start({ tls: serverTls }));
    const plain = cleanup(await RecordingProxy.start());
    for (const proxy of [secure, other, plain]) proxy.on(/./, found);
    if (clients) secure.on(/./, (exchange) => (tlsOf(exchange).authorized ? found : answer(403))(exchange));
    const hosts = {
      'registry.example:443': secure.port,
      'registry.example:8443': secure.port,
      'registry.example:80': plain.port,
      'other.example:443': other.port,
      'misnamed.example:443': other.port,
      'plain.example:443': plain.port,
    };
    const forwardProxy = cleanup(await ForwardProxy.start({ hosts }));
    const read = ({ env, ...options }: Parameters<typeof session>[0] = {}, host = 'registry.example') =>
      repository(session({ retries: 0, env: { ...forwardProxy.env, ...env }, ...options }), host, 'repo').fetchManifest(
        'v1',
      );
    await work({ folder, authority, secure, other, plain, forwardProxy, read });
  });
}

describeWith('openssl', 'a certificate of a private authority', () => {
  test('is refused without a fallback to http', () =>
    withAuthority(async ({ read, plain }) => {
      await expect(read()).rejects.toMatchObject(untrusted);
      expect(plain.requests).toHaveLength(0);
    }));

  test.each<[string, (file: string) => Parameters<typeof session>[0]]>([
    ['--ca-file', (caFile) => ({ caFile })],
    ['NODE_EXTRA_CA_CERTS', (file) => ({ env: { NODE_EXTRA_CA_CERTS: file } })],
    ['SSL_CERT_FILE', (file) => ({ env: { SSL_CERT_FILE: file } })],
  ])('is trusted by %s', (_name, options) =>
    withAuthority(async ({ read, authority }) => {
      await read(options(authority.certificate.certFile));
    }),
  );

  test.each([
    ['registry.example', 'registry.example'],
    ['registry.example:443', 'registry.example'],
    ['registry.example:8443', 'registry.example:8443'],
  ])('is trusted by the folder certs.d/%s for %s only', (name, host) =>
    withAuthority(async ({ read, authority, folder }) => {
      const folders = [join(folder, 'none'), join(folder, 'certs.d')];
      await mkdir(join(folder, 'certs.d', name), { recursive: true });
      await writeFile(join(folder, 'certs.d', name, 'ca.crt'), authority.certificate.cert);
      await read({ certificateFolders: folders }, host);
      await expect(read({ certificateFolders: folders }, 'other.example')).rejects.toMatchObject(untrusted);
    }),
  );

  (process.platform === 'win32' ? test.skip : test)('does not wait for a pipe in certs.d', () =>
    withAuthority(async ({ read, folder }) => {
      const pipe = join(folder, 'certs.d', 'registry.example', 'ca.crt');
      await mkdir(join(pipe, '..'), { recursive: true });
      execFileSync('mkfifo', [pipe]);
      await expect(read({ certificateFolders: [join(folder, 'certs.d')] })).rejects.toMatchObject({
        code: 'ERR_MLIST_FILE',
        message: `cannot read ${pipe}: it is not a regular file`,
      });
    }),
  );

  test('is trusted if several files contain it and the certificates of Node', () =>
    withAuthority(async ({ read, authority, folder }) => {
      const file = join(folder, 'all.pem');
      await writeFile(file, [...rootCertificates, `# mine\n${authority.certificate.cert}`].join('\n'));
      await read({ caFile: file, env: { NODE_EXTRA_CA_CERTS: file, SSL_CERT_FILE: authority.certificate.certFile } });
      const withoutIt = join(folder, 'without.pem');
      await writeFile(withoutIt, rootCertificates.join('\n'));
      await expect(read({ caFile: withoutIt })).rejects.toMatchObject(untrusted);
    }));

  test.each<[string, Readonly<Record<string, string>>, boolean]>([
    ['NODE_EXTRA_CA_CERTS', { NODE_EXTRA_CA_CERTS: 'authority.pem' }, true],
    ['SSL_CERT_FILE', { SSL_CERT_FILE: 'authority.pem' }, true],
    ['SSL_CERT_DIR, if Node can read it', { SSL_CERT_DIR: 'authorities' }, 'getCACertificates' in tls],
    ['no setting', {}, false],
  ])('%s decides whether the program trusts it', (_name, variables, isTrusted) =>
    withAuthority(async ({ authority, folder, forwardProxy }) => {
      const files = Object.entries(variables).map(([name, file]) => [name, join(folder, file)]);
      await mkdir(join(folder, 'authorities'));
      await writeFile(join(folder, 'authorities', 'mine.pem'), authority.certificate.cert);
      const env = { ...forwardProxy.env, HOME: folder, ...(Object.fromEntries(files) as Record<string, string>) };
      const { code, stdout } = await runMlist(['digest', 'registry.example/repo:v1', '--retries', '0'], env);
      expect([code, stdout]).toEqual(isTrusted ? [0, `${manifest.descriptor.digest}\n`] : [7, '']);
    }),
  );

  test('is not verified with --insecure, which also falls back to http', () =>
    withAuthority(async ({ read, secure, plain }) => {
      await read({ insecure: true });
      expect([secure.requests.length, plain.requests.length]).toEqual([1, 0]);
    }));

  test('is not needed over http', () =>
    withAuthority(async ({ read, secure, plain }) => {
      await read({ plainHttp: ['registry.example'] });
      expect([secure.requests.length, plain.requests.length]).toEqual([0, 1]);
    }));

  test('is not blamed if the registry serves plain http', () =>
    withAuthority(async ({ read }) => {
      await expect(read({}, 'plain.example')).rejects.toMatchObject({
        code: 'ERR_MLIST_NETWORK',
        message: expect.stringContaining('plain.example did not respond with TLS') as unknown,
        facts: { remedy: { kind: 'plain-http', host: 'plain.example' } },
      });
    }));

  test('for another name is refused', () =>
    withAuthority(async ({ read, authority }) => {
      const caFile = authority.certificate.certFile;
      const error = await failureOf(read({ caFile }, 'misnamed.example'));
      expect(error.message).toContain(
        'certificate of misnamed.example is not valid for this host name (ERR_TLS_CERT_ALTNAME_INVALID)',
      );
      expect([error.facts.hint, error.facts.remedy]).toEqual([expect.stringContaining('host name'), undefined]);
    }));
});

async function failureOf(work: Promise<unknown>): Promise<MlistError> {
  return work.then(
    () => Promise.reject(new Error('there was no error')),
    (thrown: unknown) => asMlistError(thrown),
  );
}

describeWith('openssl', 'a handshake that fails although the authority is trusted', () => {
  const oldVersions = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' };
  test.each<[string, number, object, string, string]>([
    [
      'an expired certificate',
      -1,
      {},
      'the certificate of HOST has expired (CERT_HAS_EXPIRED)',
      'Renew the certificate',
    ],
    [
      'old TLS versions only',
      2,
      oldVersions,
      'the TLS connection to HOST failed (ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION)',
      'TLS 1.2 or later',
    ],
  ])('because of %s: the reason, and no advice to trust the authority', (_name, days, options, reason, hint) =>
    withFolder(async (folder) => {
      const authority = new Authority(folder);
      const serverTls = { ...authority.sign('server', undefined, days), ...options };
      const proxy = cleanup(await RecordingProxy.start({ tls: serverTls }));
      const from = session({ retries: 0, caFile: authority.certificate.certFile });
      const error = await failureOf(repository(from, proxy.host, 'repo').fetchManifest('v1'));
      expect([error.code, error.message.replaceAll(proxy.host, 'HOST')]).toEqual([
        'ERR_MLIST_NETWORK',
        `cannot read HOST/repo:v1: ${reason}`,
      ]);
      expect([error.facts.hint, error.facts.remedy]).toEqual([expect.stringContaining(hint), undefined]);
    }),
  );
});

describeWith('openssl', 'a client’s certificate', () => {
  async function pairIn(folder: string, authority: Authority): Promise<string> {
    const place = join(folder, 'certs.d', 'registry.example');
    const { cert, key } = authority.sign('client', ['client']);
    await mkdir(place, { recursive: true });
    await writeFile(join(place, 'ca.crt'), authority.certificate.cert);
    await writeFile(join(place, 'client.cert'), cert);
    await writeFile(join(place, 'client.key'), key);
    return join(folder, 'certs.d');
  }

  test('is sent to the registry of its folder', () =>
    withAuthority(
      async ({ read, authority, folder }) => {
        await read({ certificateFolders: [await pairIn(folder, authority)] });
        await expect(read({ caFile: authority.certificate.certFile })).rejects.toMatchObject({ exitCode: 6 });
      },
      { clients: true },
    ));

  test('is not sent after a redirect to another host', () =>
    withAuthority(async ({ read, authority, folder, secure, other }) => {
      const shown: boolean[] = [];
      secure.on(/./, answer(307, { location: 'https://other.example/manifest' }));
      other.on(/./, (exchange) => {
        shown.push(Object.keys(tlsOf(exchange).getPeerCertificate()).length > 0);
        return found(exchange);
      });
      const caFile = authority.certificate.certFile;
      await read({ certificateFolders: [await pairIn(folder, authority)], caFile });
      expect(shown).toEqual([false]);
    }));

  test.each(['client.cert', 'client.key'])('%s alone is an error', (name) =>
    withAuthority(async ({ read, folder }) => {
      const place = join(folder, 'certs.d', 'registry.example');
      await mkdir(place, { recursive: true });
      await writeFile(join(place, name), '-----BEGIN X-----');
      await expect(read({ certificateFolders: [join(folder, 'certs.d')] })).rejects.toMatchObject({
        code: 'ERR_MLIST_CREDENTIALS',
        message: expect.stringContaining(place) as unknown,
      });
    }),
  );
});

describeWith('openssl', 'the authorities of a folder in certs.d', () => {
  /** @returns the folder `certs.d` with an authority that has signed nothing, and a client certificate */
  async function withUnused(folder: string, host: string, authority: Authority): Promise<readonly string[]> {
    const [unused, place] = [join(folder, 'unused'), join(folder, 'certs.d', host)];
    const { cert, key } = authority.sign('client', ['client']);
    await Promise.all([unused, place].map((path) => mkdir(path, { recursive: true })));
    await writeFile(join(place, 'ca.crt'), new Authority(unused).certificate.cert);
    await writeFile(join(place, 'client.cert'), cert);
    await writeFile(join(place, 'client.key'), key);
    return [join(folder, 'certs.d')];
  }

  test('are added to the others, which are tried first from then on', () =>
    withAuthority(
      async ({ authority, folder, forwardProxy, secure }) => {
        const certificateFolders = await withUnused(folder, 'registry.example', authority);
        const caFile = authority.certificate.certFile;
        const from = session({ retries: 0, env: forwardProxy.env, caFile, certificateFolders });
        const read = (tag: string) => repository(from, 'registry.example', 'repo').fetchManifest(tag);
        await read('v1');
        expect(forwardProxy.requests).toHaveLength(2);
        secure.on(/./, (exchange) => {
          exchange.response.setHeader('connection', 'close');
          return (tlsOf(exchange).authorized ? found : answer(403))(exchange);
        });
        await read('v2');
        await read('v3');
        expect(forwardProxy.requests).toHaveLength(3);
      },
      { clients: true },
    ));

  test('are not trusted for another host of the session', () =>
    withAuthority(async ({ authority, folder, forwardProxy }) => {
      const place = join(folder, 'certs.d', 'registry.example');
      await mkdir(place, { recursive: true });
      await writeFile(join(place, 'ca.crt'), authority.certificate.cert);
      const from = session({ retries: 0, env: forwardProxy.env, certificateFolders: [join(folder, 'certs.d')] });
      const read = (host: string) => repository(from, host, 'repo').fetchManifest('v1');
      await expect(read('other.example')).rejects.toMatchObject(untrusted);
      await read('registry.example');
      await expect(read('other.example')).rejects.toMatchObject(untrusted);
    }));

  test('are added to the others for an https proxy', () =>
    withAuthority(async ({ authority, folder, secure }) => {
      const hosts = { 'registry.example:443': secure.port };
      const forwardProxy = cleanup(await ForwardProxy.start({ hosts, tls: authority.sign('proxy') }));
      const certificateFolders = await withUnused(folder, new URL(forwardProxy.url).host, authority);
      const read = (options: Parameters<typeof session>[0]) =>
        repository(
          session({ retries: 0, env: forwardProxy.env, certificateFolders, ...options }),
          'registry.example',
          'repo',
        ).fetchManifest('v1');
      await read({ caFile: authority.certificate.certFile });
      await expect(read({})).rejects.toMatchObject({ code: 'ERR_MLIST_NETWORK' });
    }));
});

describeWith('openssl', 'files of authorities', () => {
  test.each<[string, string | undefined, string]>([
    ['that does not exist', undefined, 'ERR_MLIST_NOT_FOUND'],
    ['without certificates', 'nothing', 'ERR_MLIST_FILE'],
  ])('--ca-file with a file %s is an error', (_name, content, code) =>
    withAuthority(async ({ read, folder }) => {
      const caFile = join(folder, 'ca-of-mine.pem');
      if (content !== undefined) await writeFile(caFile, content);
      await expect(read({ caFile })).rejects.toMatchObject({
        code,
        message: expect.stringContaining(caFile) as unknown,
      });
    }),
  );

  test('a variable with a missing file is ignored with a warning', () =>
    withFolder(async (folder) => {
      const missing = join(folder, 'missing.pem');
      const proxy = cleanup(await RecordingProxy.start({ tls: new Authority(folder).sign('server') }));
      proxy.on(/./, found);
      const from = session({ env: { SSL_CERT_FILE: missing } });
      await repository(from, proxy.host, 'repo').fetchManifest('v1');
      expect(from.warnings).toEqual([expect.stringContaining(missing)]);
    }));

  const isRoot = process.getuid?.() === 0;
  (isRoot ? test.skip : test)(
    `a folder without read permission is ignored with a warning${isRoot ? ' (skipped: root reads all)' : ''}`,
    () =>
      withAuthority(async ({ authority, folder, read }) => {
        const place = join(folder, 'certs.d', 'registry.example');
        await mkdir(place, { recursive: true });
        await chmod(place, 0);
        await read({ certificateFolders: [join(folder, 'certs.d')], caFile: authority.certificate.certFile });
      }),
  );

  test('are searched for in the folders of docker and podman', () => {
    const folders = certificateFolders({ env: {}, home: '/home/me', platform: 'linux' });
    expect(folders).toEqual([
      '/home/me/.config/containers/certs.d',
      '/etc/containers/certs.d',
      '/home/me/.config/docker/certs.d',
      '/home/me/.docker/certs.d',
      '/etc/docker/certs.d',
    ]);
    expect(certificateFolders({ env: { XDG_CONFIG_HOME: '/c' }, home: '/h', platform: 'linux' })[0]).toBe(
      '/c/containers/certs.d',
    );
  });
});

describe('a registry on this machine', () => {
  test.each([['127.0.0.1'], ['localhost'], ['app.localhost']])('is reached over http by the name %s', async (name) => {
    const { proxy } = await served();
    const repo = repository(session(), `${name}:${proxy.port}`, 'repo');
    await expect(repo.resolve('v1')).rejects.toMatchObject({ code: 'ERR_MLIST_NOT_FOUND' });
    expect(proxy.requests).toHaveLength(1);
  });

  test('is reached over IPv6', async () => {
    const { upstream } = await served({ address: '[::1]:0' });
    const repo = repository(session(), new URL(upstream).host, 'repo');
    await repo.putManifest(list, 'v1');
    expect(await repo.fetchManifest('v1')).toEqual(list);
  });
});

/** A server with TLS that refuses plain requests. */
async function withRefusal(port: number, refusal: string): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (first: Buffer) => {
      if (first[0] !== 0x16) return socket.end(refusal);
      const secure = connect(port, '127.0.0.1');
      secure.on('error', () => socket.destroy());
      secure.write(first);
      return socket.pipe(secure).pipe(socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanup({ close: () => void server.close() });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describeWith('openssl', 'a registry on this machine', () => {
  test('is reached over https without verification of its certificate', () =>
    withFolder(async (folder) => {
      const proxy = cleanup(await RecordingProxy.start({ tls: new Authority(folder).sign('server') }));
      proxy.on(/./, found);
      await repository(session(), proxy.host, 'repo').fetchManifest('v1');
    }));

  // A server written in Go sends a 400 without headers; nginx sends a page.
  test.each<[string, string]>([
    ['a line', 'HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n'],
    ['a page', 'HTTP/1.1 400 Bad Request\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>'],
  ])('is reached over https if it answers a plain request with 400 and %s', async (_name, refusal) =>
    withFolder(async (folder) => {
      const proxy = cleanup(await RecordingProxy.start({ tls: new Authority(folder).sign('server') }));
      proxy.on(/./, found);
      const host = await withRefusal(proxy.port, refusal);
      await repository(session(), host, 'repo').fetchManifest('v1');
      const { descriptor } = manifest;
      expect(await repository(session(), host, 'repo').resolve('v1')).toMatchObject({ digest: descriptor.digest });
    }),
  );

  test('without TLS may answer 400', async () => {
    const proxy = cleanup(await RecordingProxy.start());
    proxy.on(
      /./,
      answer(400, { 'content-type': 'application/json' }, Buffer.from('{"errors":[{"code":"NAME_INVALID"}]}')),
    );
    const reading = repository(session({ retries: 0 }), proxy.host, 'repo').fetchManifest('v1');
    await expect(reading).rejects.toThrow('NAME_INVALID');
    expect(proxy.requests).toHaveLength(1);
  });

  test('is verified with --ca-file', () =>
    withFolder(async (folder) => {
      const other = join(folder, 'other');
      await mkdir(other);
      const proxy = cleanup(await RecordingProxy.start({ tls: new Authority(folder).sign('server') }));
      const caFile = new Authority(other).certificate.certFile;
      await expect(repository(session({ caFile }), proxy.host, 'repo').fetchManifest('v1')).rejects.toMatchObject(
        untrusted,
      );
    }));

  test('does not make other hosts trusted', () =>
    withAuthority(async ({ secure, read, other }) => {
      const proxy = cleanup(await RecordingProxy.start());
      proxy.on(/./, answer(307, { location: 'https://other.example/x' }));
      await expect(read({}, proxy.host)).rejects.toMatchObject({
        ...untrusted,
        message: expect.stringContaining('the certificate of other.example is not trusted') as unknown,
      });
      expect([secure.requests, other.requests]).toEqual([[], []]);
    }));
});
