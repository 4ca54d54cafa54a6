import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { getManifest, makeImage, pushImage } from '../support/images.ts';
import { describeOnRegistries, type Registry } from '../support/registries.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** The main use case: a list of two images is created, annotated and pushed. */
describeOnRegistries('create, annotate, push', (start) => {
  let registry: Registry;
  let host: string;
  const amd64 = makeImage({ salt: 'amd64' });
  const arm64 = makeImage({ salt: 'arm64', platform: { architecture: 'arm64', os: 'linux' } });

  beforeAll(async () => {
    registry = await start();
    host = registry.host;
    await pushImage(registry.url, 'username/x8664-test', 'latest', amd64);
    await pushImage(registry.url, 'username/arm64v8-test', 'latest', arm64);
  });
  afterAll(() => registry.close());

  async function drafted(name: string): Promise<CliHarness> {
    const cli = await CliHarness.make();
    await cli.must('create', `${host}/${name}`, `${host}/username/x8664-test`, `${host}/username/arm64v8-test`);
    return cli;
  }

  test('create prints the expected line', async () => {
    const cli = await CliHarness.make();
    const args = ['create', `${host}/username/said`, `${host}/username/x8664-test`];
    expect(await cli.must(...args)).toBe(`Created manifest list ${host}/username/said:latest`);
  });

  test('push writes a list whose arm64 entry has the variant v8', async () => {
    const cli = await drafted('username/test');
    await cli.must('annotate', '--arch', 'arm64', '--variant', 'v8');
    const digest = await cli.must('push');
    const served = await getManifest(registry.url, 'username/test', 'latest');
    expect(served?.digest).toBe(digest);
    expect(JSON.parse(served?.bytes.toString() ?? '')).toEqual({
      schemaVersion: 2,
      mediaType: 'application/vnd.docker.distribution.manifest.list.v2+json',
      manifests: [
        {
          mediaType: amd64.mediaType,
          size: amd64.bytes.length,
          digest: amd64.digest,
          platform: { architecture: 'amd64', os: 'linux' },
        },
        {
          mediaType: arm64.mediaType,
          size: arm64.bytes.length,
          digest: arm64.digest,
          platform: { architecture: 'arm64', os: 'linux', variant: 'v8' },
        },
      ],
    });
    expect((await getManifest(registry.url, 'username/test', arm64.digest))?.bytes).toEqual(arm64.bytes);
  });

  test('annotate accepts x86_64, which docker refuses', async () => {
    const cli = await drafted('username/long');
    const list = `${host}/username/long`;
    await cli.must('annotate', list, `${host}/username/x8664-test`, '--os', 'linux', '--arch', 'x86_64');
    const { entries } = await cli.json<{ entries: { platform: unknown }[] }>('create', list, '--amend');
    expect(entries[0]?.platform).toEqual({ architecture: 'amd64', os: 'linux' });
  });

  test('inspect prints exactly the bytes that push sends, and a newline', async () => {
    const cli = await drafted('username/bytes');
    const shown = await cli.must('inspect');
    await cli.must('push');
    expect((await getManifest(registry.url, 'username/bytes', 'latest'))?.bytes.toString()).toBe(shown);
    expect(await cli.must('inspect', '--raw')).toBe(shown);
  });

  test('a dry run prints the digest and writes nothing', async () => {
    const cli = await drafted('username/dry');
    const { stdout, stderr, code } = await cli.run(['push', '--dry-run']);
    expect([code, stdout]).toEqual([0, `${await cli.must('digest')}\n`]);
    expect(stderr).toMatch(/mount|upload/);
    expect(await getManifest(registry.url, 'username/dry', 'latest')).toBeUndefined();
    expect(await getManifest(registry.url, 'username/dry', amd64.digest)).toBeUndefined();
  });

  test('a second push has nothing to do', async () => {
    const cli = await drafted('username/again');
    const digest = await cli.must('push');
    const { stdout, stderr } = await cli.run(['push']);
    expect(stdout).toBe(`${digest}\n`);
    expect(stderr).toMatch(/unchanged/);
  });

  test('pushes several tags, writes a digest file, and purges the draft', async () => {
    const cli = await drafted('username/tags');
    const file = `${cli.folder}/digest`;
    const digest = await cli.must(
      'push',
      '-t',
      ':v1',
      '-t',
      `${host}/username/elsewhere:v2`,
      '--digest-file',
      file,
      '-p',
    );
    for (const [repository, tag] of [
      ['username/tags', 'latest'],
      ['username/tags', 'v1'],
      ['username/elsewhere', 'v2'],
    ] as const) {
      expect((await getManifest(registry.url, repository, tag))?.digest).toBe(digest);
    }
    expect((await cli.run(['exists', `${host}/username/tags:gone`])).code).toBe(4);
    expect((await cli.run(['push', `${host}/username/tags`])).code).toBe(4);
  });
});
