import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { Authority } from '../support/certificates.ts';
import { programPath, startDockerRegistry, type DockerRegistryOptions } from '../support/docker-registry.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { cleanup } from '../support/cleanup.ts';
import { casesOf, isLong } from '../support/long.ts';
import { startNginx } from '../support/nginx.ts';
import { describeWith } from '../support/programs.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** Docker's registry in common configurations: with users, and with server and client certificates of a private authority. */

const PASSWORD = 's3cret-of-the-test';

describeWith('docker-registry', 'docker-registry as it is set up', () => {
  let origin: RunningRegistry;
  beforeAll(async () => {
    origin = await startRegistry();
    for (const architecture of ['amd64', 'arm64'])
      await pushImage(origin.url, 'a', architecture, makeImage({ platform: { architecture, os: 'linux' } }));
  });
  afterAll(() => origin.close());

  async function setUp(options: DockerRegistryOptions) {
    const { host } = cleanup(await startDockerRegistry(options));
    return { host, cli: await CliHarness.make() };
  }

  /** Copies images from another registry, creates a list of them, annotates and pushes it, and reads it again. */
  async function mainJob(cli: CliHarness, host: string, ...flags: readonly string[]): Promise<void> {
    const at = (name: string) => `${host}/team/app:${name}`;
    for (const name of ['amd64', 'arm64']) await cli.must('copy', `${origin.host}/a:${name}`, at(name), ...flags);
    await cli.must('create', at('list'), at('amd64'), at('arm64'), ...flags);
    await cli.must('annotate', '--arch', 'arm64', '--variant', 'v8');
    const digest = await cli.must('push', ...flags);
    expect(await cli.must('digest', `docker://${at('list')}`, ...flags)).toBe(digest);
    const tags = await cli.must('tags', `${host}/team/app`, ...flags);
    expect(tags.split('\n').sort()).toEqual(['amd64', 'arm64', 'list']);
    await cli.must('copy', at('list'), `${host}/other/app:list`, ...flags);
    await cli.must('validate', '--deep', `docker://${host}/other/app:list`, ...flags);
  }

  async function certificates(): Promise<{ readonly authority: Authority; readonly folder: string }> {
    const { folder } = await CliHarness.make();
    return { authority: new Authority(folder), folder };
  }

  function serverOf(authority: Authority) {
    const { certFile, keyFile } = authority.sign('server');
    return { certificate: certFile, key: keyFile };
  }

  test('with users: after login, and not before or after logout', async () => {
    const hashing = await CliHarness.make({ stdin: PASSWORD });
    const users = await hashing.must('serve', '--hash-password', 'me', '--password-stdin');
    const { host, cli } = await setUp({ users: `${users}\n` });
    const look = () => cli.run(['tags', `${host}/team/app`]);
    expect(await look()).toMatchObject({ code: 6, stdout: '' });
    const wrong = await cli.run(['login', host, '--username', 'me', '--password-stdin'], { stdin: 'other' });
    expect(wrong.code).toBe(6);
    const login = await cli.run(['login', host, '--username', 'me', '--password-stdin'], { stdin: PASSWORD });
    expect(login.code).toBe(0);
    await mainJob(cli, host);
    await cli.must('logout', host);
    expect((await look()).code).toBe(6);
  });

  if (isLong)
    test('with a certificate of a private authority: without a flag on this machine', async () => {
      const { authority } = await certificates();
      const { host, cli } = await setUp({ tls: serverOf(authority) });
      await mainJob(cli, host);
    });

  test('with a certificate of a private authority: by --ca-file, and not by another', async () => {
    const { authority } = await certificates();
    const { host, cli } = await setUp({ tls: serverOf(authority) });
    await mainJob(cli, host, '--ca-file', authority.certificate.certFile);
    const other = (await certificates()).authority.certificate.certFile;
    expect(await cli.run(['tags', `${host}/team/app`, '--ca-file', other])).toMatchObject({
      code: 7,
      stderr: expect.stringContaining('is not trusted') as unknown,
    });
  });

  test.each(casesOf(['.config/containers', '.config/docker', '.docker'], 3))(
    'with certificates of clients too, in ~/%s/certs.d',
    async (configFolder) => {
      const { authority } = await certificates();
      const tls = { ...serverOf(authority), clients: authority.certificate.certFile };
      const { host, cli } = await setUp({ tls });
      expect((await cli.run(['tags', `${host}/team/app`, '--retries', '0'])).code).toBe(7);
      const folder = join(cli.folder, configFolder, 'certs.d', host);
      await mkdir(folder, { recursive: true });
      const client = authority.sign('client');
      await copyFile(authority.certificate.certFile, join(folder, 'ca.crt'));
      await copyFile(client.certFile, join(folder, 'client.cert'));
      await copyFile(client.keyFile, join(folder, 'client.key'));
      await mainJob(cli, host);
    },
  );

  const nginx = programPath('nginx');
  (nginx === undefined ? test.skip : test)(
    `behind nginx: documents on one HTTP/2 connection, blobs over HTTP/1.1${nginx === undefined ? ' (skipped: nginx is not on PATH)' : ''}`,
    async () => {
      const { authority } = await certificates();
      const { host: upstream, cli } = await setUp({});
      const { host, requests } = cleanup(await startNginx({ upstream, ...serverOf(authority) }));
      const flags = ['--ca-file', authority.certificate.certFile];
      await mainJob(cli, host, ...flags);
      const before = await requests();
      const overHttp2 = ({ protocol }: { readonly protocol: string }) => protocol === 'HTTP/2.0';
      expect(new Set(before.filter(({ method }) => method !== 'PUT' && method !== 'GET').map(overHttp2))).toEqual(
        new Set([true]),
      );
      expect(new Set(before.map(overHttp2))).toEqual(new Set([true, false]));
      await cli.must(
        'create',
        '--push',
        `${host}/third/app:list`,
        `${host}/team/app:amd64`,
        `${host}/team/app:arm64`,
        ...flags,
      );
      const sent = (await requests()).slice(before.length);
      expect([sent.every(overHttp2), new Set(sent.map(({ connection }) => connection)).size]).toEqual([true, 1]);
      await cli.must('digest', `${host}/third/app:list`, '--http1', ...flags);
      expect((await requests()).slice(before.length + sent.length).some(overHttp2)).toBe(false);
    },
  );
});
