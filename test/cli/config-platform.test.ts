import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { RecordingProxy } from '../support/recording-proxy.ts';
import { entryOf, makeImage, makeIndex, pushImage, putManifest, type Served } from '../support/images.ts';
import { cleanup } from '../support/cleanup.ts';
import { CliHarness, type CliResult } from '../support/cli-harness.ts';

/** The platform in the config of an image, and the platform that the user sets. */

let registry: RunningRegistry;
let cli: CliHarness;
const at = (tag: string) => `${registry.host}/team/app:${tag}`;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.close());
beforeEach(async () => {
  cli = await CliHarness.make();
});

const apply = async (spec: object): Promise<CliResult> =>
  cli.run(['apply', '-f', '-'], { stdin: JSON.stringify(spec) });

describe.each<[string, object]>([
  ['neither os nor architecture', {}],
  ['no os', { architecture: 'amd64' }],
  ['no architecture', { os: 'linux' }],
  ['null', { os: null, architecture: null }],
])('a config that states %s', (salt, platform) => {
  const image = () => at('bare');
  beforeEach(async () => pushImage(registry.url, 'team/app', 'bare', makeImage({ kind: 'oci', platform, salt })));

  test('is refused without a platform, and the hint shows how to specify it', async () => {
    for (const result of [
      await cli.run(['create', at('made'), image()]),
      await apply({ list: at('made'), manifests: [image()] }),
      await apply({ list: at('made'), manifests: [{ image: image(), platform: { variant: 'v7' } }] }),
    ]) {
      expect(result.code).toBe(3);
      expect(result.stderr).toContain(
        'hint: Specify the platform of the image as MANIFEST=OS/ARCH, or with "platform" in a spec.',
      );
    }
  });

  test('create, add, push, validate --deep', async () => {
    await cli.must('create', at('made'), `${image()}=linux/amd64`);
    await cli.must('add', at('made'), `${image()}=linux/arm64`, '--keep');
    await cli.must('create', at('made'), '--amend');
    await cli.must('create', at('pushed'), `${image()}=linux/amd64`, '--push');
    const { code, stdout } = await cli.run(['validate', '--deep', `docker://${at('pushed')}`]);
    expect([code, stdout]).toEqual([0, expect.stringContaining('has no platform')]);
  });

  test('join', async () => {
    await cli.must('join', at('joined'), `${image()}=linux/amd64`, '--group', salt, '--expect', 'linux/amd64');
  });

  test.each(['linux/amd64', { os: 'linux', architecture: 'amd64' }])('apply: %j', async (given) => {
    const result = await apply({ list: at('applied'), manifests: [{ image: image(), platform: given }] });
    expect(result).toMatchObject({ code: 0 });
  });
});

test('a config with another error is always refused', async () => {
  const platform = { variant: 7 } as object;
  await pushImage(registry.url, 'team/app', 'wrong', makeImage({ platform }));
  const { code, stderr } = await cli.run(['create', at('made'), `${at('wrong')}=linux/amd64`]);
  expect([code, stderr]).toEqual([3, expect.stringContaining('the config of')]);
});

describe('a config that contradicts the entry of its image', () => {
  const platforms = ['amd64', 'arm64'].map((architecture) => ({ os: 'linux', architecture }));
  const [amd64, arm64] = platforms.map((platform) => makeImage({ kind: 'oci', platform, salt: 'claims' }));
  let elsewhere: RunningRegistry;
  /** The list has the platform arm64 for an image of amd64. */
  let mixed: Served;
  const far = (name: string) => `${elsewhere.host}/${name}`;
  const warning = (name: string) =>
    `warning: ${name}@${amd64?.digest} is listed for linux/arm64, but its config states linux/amd64`;
  beforeAll(async () => {
    if (amd64 === undefined || arm64 === undefined) throw new Error('there are two images');
    elsewhere = await startRegistry();
    for (const image of [amd64, arm64]) await pushImage(registry.url, 'team/mixed', undefined, image);
    await pushImage(registry.url, 'team/mixed', 'amd64', amd64);
    mixed = makeIndex([entryOf(amd64, platforms[1]), entryOf(arm64, { ...platforms[1], variant: 'v9' })]);
    await putManifest(registry.url, 'team/mixed', 'mixed', mixed.mediaType, mixed.bytes);
  });
  afterAll(() => elsewhere.close());
  const source = () => `${registry.host}/team/mixed`;

  async function warned(args: readonly string[], ...warnings: readonly string[]): Promise<void> {
    const { code, stderr } = await cli.run(args);
    const found = stderr.split('\n').filter((line) => line.includes('but its config states'));
    expect([code, found]).toEqual([0, warnings]);
  }

  test('copy to another registry, to a layout, to an archive: one warning for each image', async () => {
    await warned(['copy', `${source()}:mixed`, far('copied/a:1')], warning(source()));
    await warned(['copy', `${source()}:mixed`, 'oci:there'], warning(source()));
    await warned(['copy', `${source()}:mixed`, 'oci-archive:there.tar'], warning(source()));
    await warned(['copy', 'oci:there', far('copied/b:1')], warning('oci:there'));
    await warned(['copy', 'oci-archive:there.tar', far('copied/c:1')], warning('oci-archive:there.tar'));
  });

  test('create from this machine, and create --push to another registry', async () => {
    await cli.must('copy', `${source()}:mixed`, 'oci:there');
    await warned(['create', at('made'), 'oci:there'], warning('oci:there'));
    await warned(['create', far('made/d:1'), `docker://${source()}:mixed`, '--push'], warning(source()));
  });

  test.each(['create', 'add', 'join'])('%s: IMAGE=PLATFORM', async (command) => {
    const name = `${source()}:amd64`;
    const message = `warning: ${name} is listed for linux/arm64, but its config states linux/amd64`;
    await cli.must('create', at('added'), name);
    const more = command === 'join' ? ['--group', 'g', '--expect', 'linux/arm64'] : command === 'add' ? ['--push'] : [];
    await warned([command, at(command === 'add' ? 'added' : command), `${name}=linux/arm64`, ...more], message);
  });

  test('an index in a registry: its entry is compared, not the config', async () => {
    if (amd64 === undefined) throw new Error('there is an image');
    const list = makeIndex([entryOf(amd64, platforms[0])]);
    await putManifest(registry.url, 'team/mixed', 'single', list.mediaType, list.bytes);
    const image = `${source()}:single`;
    const manifests = [{ image, platform: 'linux/arm64' }];
    const warning = 'is listed for linux/arm64, but the source states linux/amd64';
    const created = await cli.run(['create', at('single'), `${image}=linux/arm64`]);
    expect([created.code, created.stderr]).toEqual([0, expect.stringContaining(warning)]);
    const applied = await apply({ list: at('applied-single'), manifests });
    expect([applied.code, applied.stderr]).toEqual([0, expect.stringContaining(warning)]);
  });

  test('a field that only one of the two states is not a contradiction', async () => {
    await warned(['create', at('variant'), `${source()}:amd64=linux/amd64/v2`]);
  });

  test('is not checked if no config is read', async () => {
    const proxy = cleanup(await RecordingProxy.start({ upstream: registry.url }));
    await warned(['create', `${proxy.host}/team/mixed:again`, `docker://${proxy.host}/team/mixed:mixed`, '--push']);
    expect(proxy.requestsMatching(/blobs/)).toEqual([]);
  });

  test('a config that cannot be read is copied unchanged', async () => {
    const invalid = makeImage({ kind: 'oci', platform: { os: 7 } as object });
    await pushImage(registry.url, 'team/odd', undefined, invalid);
    const list = makeIndex([entryOf(invalid, platforms[0])]);
    await putManifest(registry.url, 'team/odd', 'odd', list.mediaType, list.bytes);
    await warned(['copy', `${registry.host}/team/odd:odd`, far('copied/odd:1')]);
  });
});
