import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { Authority, hasOpenssl, type Certificate } from '../support/certificates.ts';
import { cleanup } from '../support/cleanup.ts';
import { CliHarness, temporaryFolder, type CliResult } from '../support/cli-harness.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { ScriptedHosts, type ScriptedHost } from '../support/scripted-hosts.ts';
import { startRegistry } from '../../src/server/start-registry.ts';

/** TLS settings of hosts.toml and registries.conf. All hosts have certificates of an authority that is not trusted. */
const image = makeImage({ kind: 'oci' });
const reference = `reg.test/a@${image.digest}`;

const describeWithTls = hasOpenssl() ? describe : describe.skip;

describeWithTls('TLS settings of other tools', () => {
  let authority: Authority;
  let tls: Certificate;
  let client: Certificate;

  beforeAll(async () => {
    authority = new Authority(await temporaryFolder());
    tls = authority.sign('hosts', ['reg.test', 'm1.test']);
    client = authority.sign('the client', ['client.test']);
  });

  async function read(
    files: Readonly<Record<string, string>>,
    hosts: Readonly<Record<string, ScriptedHost>> = {},
  ): Promise<CliResult & { readonly scripted: ScriptedHosts; readonly folder: string }> {
    const cli = await CliHarness.make();
    const all = { 'reg.test': { image }, 'm1.test': { image }, ...hosts };
    const scripted = cleanup(await ScriptedHosts.start(all, { tls }));
    const auth = Buffer.from('me:the password').toString('base64');
    const written = { '.docker/config.json': JSON.stringify({ auths: { 'm1.test': { auth } } }), ...files };
    for (const [name, text] of Object.entries(written)) {
      await mkdir(dirname(join(cli.folder, name)), { recursive: true });
      await writeFile(join(cli.folder, name), text);
    }
    const result = await cli.run(['inspect', reference, '--retries', '0'], { env: scripted.env });
    return { ...result, scripted, folder: cli.folder };
  }

  const hostsToml = 'etc/containerd/certs.d/reg.test/hosts.toml';
  const inFolder = (name: string) => join(dirname(hostsToml), name);

  test('ca is trusted for its host, and for no other', async () => {
    const files = {
      [hostsToml]: '[host."https://m1.test"]\nca = "ca.pem"\n',
      [inFolder('ca.pem')]: authority.certificate.cert,
    };
    const { code, stderr, scripted } = await read(files, { 'm1.test': { image, requiresLogin: true } });
    expect([code, stderr]).toEqual([0, expect.any(String)]);
    expect(scripted.to('m1.test').at(-1)).toMatchObject({ user: 'me' });
    const other = await read(files, { 'm1.test': {} });
    expect([other.code, other.stderr]).toEqual([7, expect.stringContaining('certificate of reg.test is not trusted')]);
  });

  test.each([
    ['one file', '"client.pem"'],
    ['a list of files', '["client.pem"]'],
    ['a pair', '[["client.crt", "client.key"]]'],
  ])('client: %s', async (_name, value) => {
    const { code, stderr, scripted } = await read({
      [hostsToml]: `[host."https://m1.test"]\nca = ["ca.pem"]\nclient = ${value}\n`,
      [inFolder('ca.pem')]: authority.certificate.cert,
      [inFolder('client.pem')]: `${client.cert}\n${client.key}`,
      [inFolder('client.crt')]: client.cert,
      [inFolder('client.key')]: client.key,
    });
    expect([code, stderr]).toEqual([0, expect.any(String)]);
    expect(scripted.to('m1.test')).toMatchObject([{ client: 'the client' }]);
  });

  test('a missing certificate ends the command with 2', async () => {
    const { code, stderr, scripted, folder } = await read({ [hostsToml]: '[host."https://m1.test"]\nca = "ca.pem"\n' });
    expect(code).toBe(2);
    expect(stderr).toContain(join(folder, hostsToml));
    expect(stderr).toContain('ca.pem');
    expect(scripted.requests).toEqual([]);
  });

  test.each([
    ['skip_verify', hostsToml, '[host."https://m1.test"]\nskip_verify = true\n'],
    [
      'insecure of a mirror',
      '.config/containers/registries.conf',
      '[[registry]]\nlocation = "reg.test"\n[[registry.mirror]]\nlocation = "m1.test"\ninsecure = true\n',
    ],
  ])('%s permits an unverified certificate for requests without credentials', async (_name, path, text) => {
    const { code, stderr, scripted } = await read({ [path]: text });
    expect([code, stderr]).toEqual([0, expect.any(String)]);
    expect(scripted.to('m1.test')).toMatchObject([{ scheme: 'https', user: undefined }]);
    const guarded = await read({ [path]: text }, { 'm1.test': { image, requiresLogin: true } });
    expect(guarded.code).toBe(7);
    expect(guarded.stderr).toContain('mirror m1.test is not used for a: ');
    expect(guarded.scripted.requests.map(({ user }) => user)).toEqual([undefined]);
  });

  test('without permission, an unverified mirror is not used', async () => {
    const { code, stderr, scripted } = await read({ [hostsToml]: '[host."https://m1.test"]\n' });
    expect(code).toBe(7);
    expect(stderr).toContain('mirror m1.test is not used: ');
    expect(scripted.requests).toEqual([]);
  });
});

test('a mirror that does not finish the TLS handshake is skipped within the limit', async () => {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => void sockets.add(socket.on('error', () => undefined)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanup({
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  const registry = cleanup(await startRegistry());
  await pushImage(registry.url, 'team/app', '1', image);
  const cli = await CliHarness.make();
  const address = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const args = ['digest', `${registry.host}/team/app:1`, '--mirror', `${registry.host}=${address}`];
  // The default timeout is 30 s, so the deadline is reached unless mirrors have less time.
  const { code, stdout, stderr } = await cli.run([...args, '--deadline', '25s']);
  expect([code, stdout, stderr]).toEqual([0, `${image.digest}\n`, expect.stringContaining('is not used: ')]);
});
