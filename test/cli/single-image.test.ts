import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { answer, RecordingProxy } from '../support/recording-proxy.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** Single images in place of a list: their config states the platform. */
describe('--platform of a single image', () => {
  const image = makeImage({ platform: { architecture: 'arm', os: 'linux', variant: 'v7' } });
  let registry: RunningRegistry;
  let cli: CliHarness;
  let ref: string;
  beforeAll(async () => {
    registry = await startRegistry();
    cli = await CliHarness.make();
    ref = `${registry.host}/team/app:arm`;
    await pushImage(registry.url, 'team/app', 'arm', image);
  });
  afterAll(() => registry.close());

  test('resolve: clients select it for any platform, with a note', async () => {
    const warning = `warning: ${ref} is a single image for linux/arm/v7, not for linux/arm64`;
    const other = await cli.run(['resolve', ref, '--platform', 'linux/arm64']);
    expect(other).toMatchObject({ code: 0, stdout: `${image.digest}\n` });
    expect(other.stderr).toContain(warning);
    for (const args of [['--platform', 'linux/arm'], []]) {
      const { code, stdout, stderr } = await cli.run(['resolve', ref, ...args]);
      expect([code, stdout]).toEqual([0, `${image.digest}\n`]);
      expect(stderr).not.toContain('warning');
    }
  });

  test.each([['--raw'], ['-v'], ['--json']])('inspect %s: the image where it is for that, else 4', async (form) => {
    const whole = await cli.must('inspect', ref, form);
    expect(await cli.must('inspect', ref, form, '--platform', 'linux/arm/v7')).toBe(whole);
    const { code, stderr } = await cli.run(['inspect', ref, form, '--platform', 'linux/arm64']);
    expect(code).toBe(4);
    expect(stderr).toContain('has no image for linux/arm64');
    expect(stderr).toContain('Available: linux/arm/v7.');
  });

  test.each([
    ['the only one of a layout', 'oci:out'],
    ['one of an archive', 'oci-archive:out.tar:arm'],
  ])('%s gives the same result', async (_, place) => {
    await cli.must('copy', ref, place);
    await cli.must('inspect', place, '--platform', 'linux/arm/v7');
    expect((await cli.run(['inspect', place, '--platform', 'linux/amd64'])).code).toBe(4);
  });
});

describe('inspect -v of a single image', () => {
  const platform = { architecture: 'amd64', os: 'windows', 'os.version': '10.0.20348.2402' };
  const image = makeImage({ platform });
  const empty = makeImage({ kind: 'oci', platform: {} });
  let proxy: RecordingProxy;
  let registry: RunningRegistry;
  beforeAll(async () => {
    registry = await startRegistry();
    proxy = await RecordingProxy.start({ upstream: registry.url });
    await pushImage(registry.url, 'team/app', 'windows', image);
    await pushImage(registry.url, 'team/app', 'empty', empty);
  });
  afterAll(async () => {
    await proxy.close();
    await registry.close();
  });

  test('its descriptor has the platform of its config, as in docker', async () => {
    const cli = await CliHarness.make();
    const { Descriptor } = await cli.json<{ Descriptor: object }>('inspect', '-v', `${proxy.host}/team/app:windows`);
    const { mediaType, digest, bytes } = image;
    expect(Descriptor).toEqual({ mediaType, digest, size: bytes.length, platform });
  });

  test('no platform if the config states none, or is missing', async () => {
    const cli = await CliHarness.make();
    const inspect = async (tag: string) =>
      cli.json<{ Descriptor: object }>('inspect', '-v', `${proxy.host}/team/app:${tag}`);
    expect((await inspect('empty')).Descriptor).not.toHaveProperty('platform');
    proxy.on(/blobs/, answer(404));
    expect((await inspect('windows')).Descriptor).toMatchObject({ digest: image.digest });
    expect((await inspect('windows')).Descriptor).not.toHaveProperty('platform');
  });
});
