import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { RecordingProxy } from '../support/recording-proxy.ts';
import { pushBuild } from '../support/buildx.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { describeOnRegistries, type Registry } from '../support/registries.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** The images of a list in a registry, named by their tags. */
describeOnRegistries('an edit in place names an image', (start) => {
  let registry: Registry;
  let proxy: RecordingProxy;
  let cli: CliHarness;
  const at = (name: string) => `${proxy.host}/${name}`;
  beforeAll(async () => {
    registry = await start();
    proxy = await RecordingProxy.start({ upstream: registry.url });
    cli = await CliHarness.make();
    for (const architecture of ['amd64', 's390x']) {
      const image = makeImage({ kind: 'oci', salt: architecture, platform: { architecture, os: 'linux' } });
      await pushImage(registry.url, 'team/app', architecture, image);
    }
    await pushBuild(registry.url, 'team/app', 'built', [{ architecture: 'arm64', os: 'linux' }]);
    await pushBuild(registry.url, 'team/app', 'pair', [
      { architecture: 'amd64', os: 'linux' },
      { architecture: 's390x', os: 'linux' },
    ]);
  });
  afterAll(async () => {
    await proxy.close();
    await registry.close();
  });

  async function publish(tag: string): Promise<string> {
    await cli.must('create', at(`team/app:${tag}`), ...['amd64', 's390x', 'built'].map((one) => at(`team/app:${one}`)));
    await cli.must('push', '--purge');
    return `docker://${at(`team/app:${tag}`)}`;
  }

  async function platforms(list: string): Promise<readonly string[]> {
    const { document } = JSON.parse(await cli.must('inspect', list, '--json')) as {
      document: { manifests: readonly { platform: { architecture: string; variant?: string } }[] };
    };
    return document.manifests.map(({ platform }) => platform.architecture + (platform.variant ?? ''));
  }

  test('annotate: by the tag of an image', async () => {
    const list = await publish('one');
    await cli.must('annotate', list, at('team/app:amd64'), '--variant', 'v3', '--push');
    expect(await platforms(list)).toEqual(['amd64v3', 's390x', 'arm64', 'unknown']);
  });

  test('remove: by the tag of an image or of an index, with its attestation', async () => {
    const list = await publish('two');
    await cli.must('remove', list, at('team/app:s390x'), at('team/app:built'), '--push');
    expect(await platforms(list)).toEqual(['amd64']);
  });

  test('in a draft of a list: by tag with --push; without it, the hint says how', async () => {
    const list = await publish('drafted');
    const draft = at('team/app:drafted');
    await cli.must('create', draft, list);
    const edit = ['annotate', draft, at('team/app:s390x'), '--annotation', 'k=v'];
    expect(await cli.run(edit)).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(
        /has no entry [^]*Select an image from an index by platform \(--platform 'linux\/amd64'\) or by digest \(sha256:\w{12}\)/,
      ) as unknown,
    });
    await cli.must(...edit, '--push', '--dry-run');
    await cli.must(...edit, '--push');
    await cli.must('remove', draft, at('team/app:built'), '--push');
    expect(await platforms(list)).toEqual(['amd64', 's390x']);
    expect(await cli.must('inspect', list)).toContain('"k":"v"');
    await cli.must('rm', draft);
  });

  test.each([
    ['a tag that is not there', 'team/app:none'],
    ['a tag of another image', 'team/app:pair'],
  ])('%s: exit code 4, and nothing is written', async (_, name) => {
    const list = await publish('three');
    proxy.clear();
    const result = await cli.run(['remove', list, at(name), '--push']);
    expect(result).toMatchObject({ code: 4, stderr: expect.stringContaining(`has no entry ${at(name)}`) as unknown });
    expect(proxy.requests.filter(({ method }) => method !== 'GET')).toEqual([]);
  });

  test.each([
    ['the beginning of a digest', 'deadbeef01'],
    ['a name of another registry', 'registry.invalid/team/app:1'],
  ])('%s is not looked up', async (_, name) => {
    const list = await publish('four');
    proxy.clear();
    expect((await cli.run(['remove', list, name, '--push'])).code).toBe(4);
    expect(proxy.requests.map(({ method, path }) => `${method} ${path}`)).toEqual(['GET /v2/team/app/manifests/four']);
  });
});
