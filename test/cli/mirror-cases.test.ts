import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { Authority, hasOpenssl, type Certificate } from '../support/certificates.ts';
import { cleanup } from '../support/cleanup.ts';
import { CliHarness, temporaryFolder } from '../support/cli-harness.ts';
import { makeImage } from '../support/images.ts';
import { ScriptedHosts, status, type ScriptedHost } from '../support/scripted-hosts.ts';

/**
 * The rules of registries.conf, hosts.toml and daemon.json, as test/golden/mirrors.json records them of other tools. Every
 * host but the last answers 404, or what the case states, so that all hosts are asked in order.
 */
interface Expected {
  readonly host: string;
  readonly repository: string;
  readonly scheme: 'http' | 'https';
  readonly query: string | null;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly answers?: number | string;
  readonly credentials: string;
}

interface Case {
  readonly name: string;
  readonly files: Readonly<Record<string, string>>;
  readonly reference: string;
  readonly byDigest: boolean;
  readonly expect: readonly Expected[];
  readonly error?: string;
}

const cases = JSON.parse(readFileSync(new URL('../golden/mirrors.json', import.meta.url), 'utf8')) as readonly Case[];

const image = makeImage();
const NEVER_TRUSTED = new Set(['10.1.2.3:5000']);

/** The path of a file of a case below the home folder, and the variables that name it. */
function placeOf(name: string): { readonly path: string; readonly variable?: string } {
  const [, variable, path] = /^\$(\w+)=\/etc\/(.+)$/.exec(name) ?? [];
  if (variable !== undefined && path !== undefined) return { path: join('etc', path), variable };
  if (name.startsWith('~/')) return { path: name.slice(2) };
  return { path: name.startsWith('/etc/') ? name.slice(1) : join('etc', 'containerd', name) };
}

async function writeFiles(folder: string, files: Case['files']): Promise<Record<string, string>> {
  const env: Record<string, string> = {};
  for (const [name, text] of Object.entries(files)) {
    const { path, variable } = placeOf(name);
    const absolute = join(folder, path);
    if (variable !== undefined) env[variable] = absolute;
    await mkdir(dirname(absolute), { recursive: true });
    await writeFile(absolute, text);
  }
  return env;
}

/** The key of the credentials that a host must get, and a less specific one that it must not get. */
function loginsOf({ host, credentials }: Expected): readonly string[] {
  const [key = ''] = credentials.split(/[ ,]/);
  return key === host ? [key] : [key, host];
}

/** A host that gets credentials: over verified TLS only. */
function isTrusted({ host, scheme }: Expected): boolean {
  return scheme === 'https' && !NEVER_TRUSTED.has(host);
}

/** A user name has no colon. */
const userOf = (key: string) => `user of ${key.replaceAll(':', '_')}`;

const describeWithTls = hasOpenssl() ? describe : describe.skip;

describeWithTls('registry configuration of other tools', () => {
  let authority: Authority;
  let tls: Certificate;
  beforeAll(async () => {
    authority = new Authority(await temporaryFolder());
    const trusted = cases
      .flatMap((one) => one.expect.map(({ host }) => host))
      .filter((host) => !NEVER_TRUSTED.has(host));
    tls = authority.sign('hosts', [...new Set(trusted.map((host) => host.replace(/:\d+$/, ''))), 'other.test']);
  });

  test.each(cases.map((one) => [one.name, one] as const))('%s', async (_name, { files, expect: hosts, ...row }) => {
    const scripted = cleanup(
      await ScriptedHosts.start(scriptOf(hosts), {
        tls,
        plain: hosts.filter(({ scheme }) => scheme === 'http').map(({ host }) => host),
      }),
    );
    const cli = await CliHarness.make();
    const env = { ...scripted.env, ...(await writeFiles(cli.folder, files)) };
    await writeLogins(cli.folder, hosts);
    const reference = row.reference.replace(/@sha256:.*/, `@${image.digest}`);
    const args = ['inspect', '--raw', reference, '--ca-file', authority.certificate.certFile, '--retries', '0'];
    const { code, stdout, stderr } = await cli.run(args, { env });
    if (row.error !== undefined) {
      expect({ code, stderr }).toMatchObject({ code: 2 });
      expect(stderr).toContain(cli.folder);
      expect(scripted.requests).toEqual([]);
      return;
    }
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(Buffer.from(stdout)).toEqual(image.bytes);
    expect(scripted.hostsOf('GET', /manifests/)).toEqual(hosts.map(({ host }) => host));
    for (const expected of hosts) checkHost(scripted, expected, reference);
  });
});

function scriptOf(hosts: readonly Expected[]): Readonly<Record<string, ScriptedHost>> {
  return Object.fromEntries(
    hosts.map((expected, at): [string, ScriptedHost] => {
      const isLast = at === hosts.length - 1;
      const answers = typeof expected.answers === 'number' ? expected.answers : isLast ? 200 : 404;
      const requiresLogin = isTrusted(expected) || answers === 401;
      return [
        expected.host,
        { image, requiresLogin, ...(answers === 200 || answers === 401 ? {} : { rule: status(answers) }) },
      ];
    }),
  );
}

async function writeLogins(folder: string, hosts: readonly Expected[]): Promise<void> {
  const keys = hosts.flatMap(loginsOf);
  const auths = keys.map((key): [string, object] => [
    key,
    { auth: Buffer.from(`${userOf(key)}:secret`).toString('base64') },
  ]);
  await mkdir(join(folder, '.docker'), { recursive: true });
  await writeFile(join(folder, '.docker', 'config.json'), JSON.stringify({ auths: Object.fromEntries(auths) }));
}

function checkHost(scripted: ScriptedHosts, expected: Expected, reference: string): void {
  const { host, repository, scheme, query, path = '/v2', headers = {} } = expected;
  const requests = scripted.to(host);
  const name = /@(.*)|:([^:/]*)$/.exec(reference)?.slice(1).find(Boolean) ?? 'latest';
  for (const request of requests) {
    expect(request.scheme).toBe(scheme);
    expect(request.headers).toEqual(expect.objectContaining(headers));
    expect(request.path).toBe(`${path}/${repository}/manifests/${name}`);
    expect(request.query).toBe((query ?? '').split(' ')[0]);
  }
  const users = new Set(requests.flatMap(({ user }) => user ?? []));
  expect([...users]).toEqual(isTrusted(expected) ? [userOf(loginsOf(expected)[0] ?? '')] : []);
}
