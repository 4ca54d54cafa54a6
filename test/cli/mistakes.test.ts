import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { once } from 'node:events';
import { createServer, request as sendRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import { startRegistry } from '../../src/server/start-registry.ts';
import { Authority, hasOpenssl, type Certificate } from '../support/certificates.ts';
import { cleanup } from '../support/cleanup.ts';
import { CliHarness, temporaryFolder } from '../support/cli-harness.ts';
import { ForwardProxy } from '../support/forward-proxy.ts';
import { goldenText } from '../support/golden.ts';
import { makeImage, pushImage } from '../support/images.ts';

/**
 * The likeliest mistakes of new users, and what mlist answers, in one file that can be reviewed as a whole.
 * MLIST_UPDATE_GOLDEN=1 writes the file.
 */

interface Mistake {
  readonly line: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  /** Command lines that prepare the mistake. */
  readonly after?: readonly string[];
}

const platforms = ['amd64', 'arm64'];
const image = makeImage({ salt: 'mistake' });
const { config } = JSON.parse(image.bytes.toString()) as { readonly config: { readonly digest: string } };
const CONFIG = config.digest;
const missing = `sha256:${'0'.repeat(64)}`;

/** By task. A string is a mistake without preparation. Words are separated by blanks. */
const mistakes: Readonly<Record<string, readonly (string | Mistake)[]>> = {
  'commands and options of other tools': [
    'manifest create registry.test/app:1 registry.test/app:amd64',
    'manifest push registry.test/app:1',
    'imagetools create registry.test/app:1',
    'merge registry.test/app:amd64 registry.test/app:arm64',
    'history registry.test/app:amd64',
    'catalog registry.test',
    'sign registry.test/app:amd64',
    'pull registry.test/app:amd64',
    'tag registry.test/app:amd64 registry.test/app:1',
    'images',
    'crate registry.test/app:1 registry.test/app:amd64',
    'login registry.test -u me -p correct-horse',
    'create -t registry.test/app:1 registry.test/app:amd64 registry.test/app:arm64',
    'create registry.test/app:1 registry.test/app:amd64 --annotation a=b',
    'inspect --raw registry.test/app:amd64',
    'copy --all registry.test/app:amd64 oci:there',
    'push --all-tags registry.test/app:1',
    'annotate registry.test/app:draft registry.test/app:amd64 --architecture arm64',
  ],
  'names of lists and drafts': [
    { line: 'push', env: { MLIST_WORKSPACE: '$HOME/empty' } },
    'push registry.test/app:drfat',
    'push registry.test/app:amd64',
    'use drafts',
    'rm app:draft',
    'create Registry.test/App:1 registry.test/app:amd64',
    'create registry.test/app:1 registry.test/app:amd64 registry.test/app:arm46',
    'create registry.test/app:1 registry.test/ap:amd64',
    'create registry.test/app:draft registry.test/app:image',
    'delete registry.test/app:draft',
    'digest docker://registry.test/app:draft',
    'tags registry.test/app:amd64',
    'push registry.test/app:draft -t latest',
    'remove registry.test/app:draft registry.test/app:s390x',
    'annotate registry.test/app:amd64 --arch arm64',
  ],
  platforms: [
    'annotate registry.test/app:typo registry.test/app:amd64 --arch arm46',
    'annotate registry.test/app:typo registry.test/app:amd64 --os linuks',
    'create registry.test/app:1 registry.test/app:amd64 --platform linux/x86',
    'create registry.test/app:1 registry.test/app:arm64=arm/v7',
    'create registry.test/app:1 registry.test/app:amd64=linux',
    'copy registry.test/app:list oci:there --platform linux/s390x',
    'resolve registry.test/app:list --platform linux/riscv64',
    'push registry.test/app:draft --expect linux/amd64,linux/arm64,linux/s390x',
  ],
  'locations and files': [
    'show ./web.tar',
    'show web.tar',
    'show ./folder',
    'show oci-layout://folder:v1',
    'show oci://folder:v1',
    'show docker-deamon:web',
    'show docker-daemon:web',
    'show https://registry.test/app:amd64',
    'validate registry.test/app:nope',
    'apply lists.yaml',
    'create registry.test/app:1 -f nope.txt',
  ],
  digests: [
    `show ${missing}`,
    `show ${missing.slice(0, 19)}`,
    `create registry.test/app:1 ${missing}`,
    `remove registry.test/app:draft ${missing.slice(0, 19)}`,
    `create registry.test/app:1 registry.test/app@${CONFIG}`,
    `inspect registry.test/app@${CONFIG}`,
    `copy registry.test/app@${CONFIG} oci:there`,
    'push registry.test/app:draft --if-digest 0123',
  ],
  'access to registries': [
    'show http.test/app:amd64',
    { line: 'login http.test -u me --password-stdin', stdin: 'correct-horse' },
    'show localhost:1/app:1',
    { line: 'show registry.test/app:amd64', env: { SSL_CERT_FILE: '' } },
    { line: 'login registry.test -u me --password-stdin', env: { SSL_CERT_FILE: '' }, stdin: 'correct-horse' },
    'show me/missing:1',
    'show ubuntu:24.4',
    'show registry.test/private/app:1',
    { line: 'login private.test -u me --password-stdin', stdin: 'correct-horse' },
    { line: 'login registry.test/app -u me --password-stdin', stdin: 'correct-horse' },
    'login registry.test',
  ],
  'pushes that a registry refuses': [
    'push registry.test/app:draft --to registry.test/missing/app:1',
    'push registry.test/app:draft --to registry.test/full/app:1',
    'push registry.test/app:draft --to registry.test/immutable/app:1',
    'push registry.test/app:draft --to registry.test/readonly/app:1',
    'push registry.test/app:draft --to private.test/app:1',
    `push registry.test/app:draft --if-digest ${missing}`,
    'push registry.test/app:typo -t :list --if-digest absent',
    {
      line: 'push registry.test/app:moved',
      after: [
        'create registry.test/app:moved registry.test/app:amd64 --push',
        'create registry.test/app:moved registry.test/app:amd64 registry.test/app:arm64 --push --replace --workspace other',
      ],
    },
  ],
  'this machine': [
    { line: 'create registry.test/app:1 registry.test/app:amd64', env: { XDG_DATA_HOME: '$HOME/web.tar' } },
    { line: 'create registry.test/app:1 registry.test/app:amd64', env: { MLIST_WORKSPACE: '$HOME/web.tar' } },
    { line: 'login open.test -u me --password-stdin', env: { DOCKER_CONFIG: '$HOME/web.tar' }, stdin: 'correct-horse' },
    { line: 'show registry.test/app:amd64', env: { HTTPS_PROXY: 'proxy.test:port' } },
  ],
};

const isComparable = hasOpenssl() && process.platform !== 'win32';

(isComparable ? test : test.skip)('the likeliest mistakes', async () => {
  const { run } = await newcomer();
  const groups: string[] = [];
  for (const [title, all] of Object.entries(mistakes)) {
    const texts: string[] = [];
    for (const mistake of all) texts.push(await run(typeof mistake === 'string' ? { line: mistake } : mistake));
    groups.push(`# ${title}\n\n${texts.join('\n')}`);
  }
  const text = groups.join('\n');
  expect(text).toBe(goldenText('mistakes.txt', text));
});

/** A new user with a draft of two images, an archive and a folder, on a network with some registries. */
async function newcomer() {
  const authority = new Authority(await temporaryFolder());
  const names = ['registry.test', 'registry-1.docker.io', 'private.test', 'open.test'];
  const tls = authority.sign('hosts', names);
  const registry = cleanup(await startRegistry());
  const encrypted = await front(registry.url, tls);
  const plain = await front(registry.url);
  const ports = [...names.map((name) => [`${name}:443`, encrypted]), ['http.test:443', plain]] as const;
  const proxy = cleanup(await ForwardProxy.start({ hosts: Object.fromEntries(ports) as Record<string, number> }));
  const cli = await CliHarness.make();
  const env = { ...proxy.env, SSL_CERT_FILE: authority.certificate.certFile };
  for (const architecture of platforms)
    await pushImage(
      registry.url,
      'app',
      architecture,
      makeImage({ salt: architecture, platform: { architecture, os: 'linux' } }),
    );
  await pushImage(registry.url, 'app', 'image', image);
  const prepare = async (line: string) => {
    const { code, stderr } = await cli.run(line.split(' '), { env });
    if (code !== 0) throw new Error(`${line}: ${stderr}`);
  };
  const sources = platforms.map((name) => `registry.test/app:${name}`).join(' ');
  await prepare(`create registry.test/app:list ${sources} --push`);
  await prepare(`create registry.test/app:typo ${sources}`);
  await prepare(`create registry.test/app:draft ${sources}`);
  await prepare('rm registry.test/app:list');
  await mkdir(join(cli.folder, 'folder'));
  await writeFile(join(cli.folder, 'web.tar'), 'not an archive');
  const run = async ({ line, env: more = {}, stdin = '', after = [] }: Mistake): Promise<string> => {
    for (const preparation of after) await prepare(preparation);
    const own = Object.entries(more).map(([name, value]) => [name, value.replace('$HOME', cli.folder)]);
    const { code, stderr } = await cli.run([...line.split(' '), '--retries', '0'], {
      env: { ...env, ...(Object.fromEntries(own) as Record<string, string>) },
      stdin,
    });
    expect(stderr).not.toContain('correct-horse');
    const text = `$ mlist ${line}\n${stderr}exit code ${code}\n`;
    return (
      text
        .replaceAll(cli.folder, '$HOME')
        // Of the images, which are uploaded concurrently, any can be the first that is refused.
        .replaceAll(/(?<=cannot upload \S+@sha256:)[0-9a-f]{64}/g, 'DIGEST')
        .replaceAll((proxy.env['HTTPS_PROXY'] ?? '').replace('http://', ''), 'PROXY')
    );
  };
  return { run };
}

/** Refuses what some registries refuse. All hosts share one registry. */
function answer({ headers, url = '', method = '' }: IncomingMessage, response: ServerResponse): boolean {
  const refuse = (status: number, code: string, message: string, more = {}) =>
    send(response, status, { errors: [{ code, message }] }, more);
  const isWrite = ['POST', 'PUT', 'PATCH'].includes(method);
  const challenge = { 'www-authenticate': 'Basic realm="private"' };
  const isPrivate = headers.host === 'private.test' || url.startsWith('/v2/private/');
  if (isPrivate) return refuse(401, 'UNAUTHORIZED', 'authentication required', challenge);
  if (headers.host === 'registry-1.docker.io') return hub(headers, url, response);
  if (url.startsWith('/v2/missing/') && isWrite) return refuse(404, 'NAME_UNKNOWN', 'project missing not found');
  if (url.startsWith('/v2/full/') && isWrite)
    return refuse(403, 'DENIED', 'adding 1.2 GiB exceeds the quota of 10 GiB');
  if (url.startsWith('/v2/readonly/') && isWrite)
    return refuse(403, 'DENIED', 'requested access to the resource is denied');
  if (url.startsWith('/v2/immutable/app/manifests/1') && isWrite)
    return refuse(
      400,
      'TAG_INVALID',
      "The image tag '1' already exists in the 'immutable/app' repository and cannot be overwritten because the tag is immutable.",
    );
  return false;
}

/** A server for all hosts, with TLS if it has a certificate, that passes requests on to the registry. Returns its port. */
async function front(registry: string, tls?: Certificate): Promise<number> {
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    const { method, url = '', headers } = request;
    if (answer(request, response)) return;
    const passed = sendRequest(new URL(url, registry), { method, headers: { ...headers, host: 'localhost' } });
    passed.on('response', (received) => {
      response.writeHead(received.statusCode ?? 0, received.headers);
      received.pipe(response);
    });
    request.pipe(passed);
  };
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanup({
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  });
  return (server.address() as AddressInfo).port;
}

/** Docker Hub issues tokens for missing repositories, too, and then refuses them. */
function hub(headers: IncomingMessage['headers'], url: string, response: ServerResponse): boolean {
  const realm = 'https://registry-1.docker.io/token';
  if (url.startsWith('/token')) return send(response, 200, { token: 'anonymous' });
  const challenge = `Bearer realm="${realm}",service="registry.docker.io",scope="repository:x:pull"`;
  const errors = [{ code: 'UNAUTHORIZED', message: 'authentication required' }];
  if (headers.authorization === undefined) return send(response, 401, { errors }, { 'www-authenticate': challenge });
  if (url.startsWith('/v2/library/ubuntu/'))
    return send(response, 404, { errors: [{ code: 'MANIFEST_UNKNOWN', message: 'manifest unknown' }] });
  return send(response, 401, { errors }, { 'www-authenticate': `${challenge},error="insufficient_scope"` });
}

function send(response: ServerResponse, status: number, body: object, headers: object = {}): boolean {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
  return true;
}
