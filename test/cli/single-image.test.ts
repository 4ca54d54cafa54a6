import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/index.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { World } from '../support/world.ts';

/** Where an image is named and not a list, its config says what it is for. */
describe('--platform of a single image', () => {
  const image = makeImage({ platform: { architecture: 'arm', os: 'linux', variant: 'v7' } });
  let registry: RunningRegistry;
  let world: World;
  let ref: string;
  beforeAll(async () => {
    registry = await startRegistry();
    world = await World.make();
    ref = `${registry.host}/team/app:arm`;
    await pushImage(registry.url, 'team/app', 'arm', image);
  });
  afterAll(() => registry.close());

  test('resolve: clients take it all the same, and that is told', async () => {
    const warning = `warning: ${ref} is a single image for linux/arm/v7, not for linux/arm64`;
    const other = await world.run(['resolve', ref, '--platform', 'linux/arm64']);
    expect(other).toMatchObject({ code: 0, stdout: `${image.digest}\n` });
    expect(other.stderr).toContain(warning);
    for (const args of [['--platform', 'linux/arm'], []]) {
      const { code, stdout, stderr } = await world.run(['resolve', ref, ...args]);
      expect([code, stdout]).toEqual([0, `${image.digest}\n`]);
      expect(stderr).not.toContain('warning');
    }
  });

  test.each([['--raw'], ['-v'], ['--json']])('inspect %s: the image where it is for that, else 4', async (form) => {
    const whole = await world.must('inspect', ref, form);
    expect(await world.must('inspect', ref, form, '--platform', 'linux/arm/v7')).toBe(whole);
    const { code, stderr } = await world.run(['inspect', ref, form, '--platform', 'linux/arm64']);
    expect(code).toBe(4);
    expect(stderr).toContain('has no image for linux/arm64');
    expect(stderr).toContain('There are: linux/arm/v7.');
  });

  test.each([
    ['the only one of a layout', 'oci:out'],
    ['one of an archive', 'oci-archive:out.tar:arm'],
  ])('%s is asked alike', async (_, place) => {
    await world.must('copy', ref, place);
    await world.must('inspect', place, '--platform', 'linux/arm/v7');
    expect((await world.run(['inspect', place, '--platform', 'linux/amd64'])).code).toBe(4);
  });
});
