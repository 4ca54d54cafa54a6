import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/index.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { World, type Ran } from '../support/world.ts';

/** What an image's config states, and what the author says of the image. */

let registry: RunningRegistry;
let world: World;
const at = (tag: string) => `${registry.host}/team/app:${tag}`;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.close());
beforeEach(async () => {
  world = await World.make();
});

const apply = async (spec: object): Promise<Ran> => world.run(['apply', '-f', '-'], { stdin: JSON.stringify(spec) });

describe.each<[string, object]>([
  ['neither os nor architecture', {}],
  ['no os', { architecture: 'amd64' }],
  ['no architecture', { os: 'linux' }],
  ['null', { os: null, architecture: null }],
])('a config that states %s', (salt, platform) => {
  const image = () => at('bare');
  beforeEach(async () => pushImage(registry.url, 'team/app', 'bare', makeImage({ kind: 'oci', platform, salt })));

  test('is refused without a platform, and the hint says how to give it', async () => {
    for (const ran of [
      await world.run(['create', at('made'), image()]),
      await apply({ list: at('made'), manifests: [image()] }),
      await apply({ list: at('made'), manifests: [{ image: image(), platform: { variant: 'v7' } }] }),
    ]) {
      expect(ran.code).toBe(3);
      expect(ran.stderr).toContain('hint: Give the platform of the image: IMAGE=OS/ARCH, or "platform" in a spec.');
    }
  });

  test('create, add, push, validate --deep', async () => {
    await world.must('create', at('made'), `${image()}=linux/amd64`);
    await world.must('add', at('made'), `${image()}=linux/arm64`, '--keep');
    await world.must('create', at('made'), '--amend');
    await world.must('create', at('pushed'), `${image()}=linux/amd64`, '--push');
    const { code, stdout } = await world.run(['validate', '--deep', `docker://${at('pushed')}`]);
    expect([code, stdout]).toEqual([0, expect.stringContaining('states no platform')]);
  });

  test('join', async () => {
    await world.must('join', at('joined'), `${image()}=linux/amd64`, '--group', salt, '--expect', 'linux/amd64');
  });

  test.each(['linux/amd64', { os: 'linux', architecture: 'amd64' }])('apply: %j', async (given) => {
    const ran = await apply({ list: at('applied'), manifests: [{ image: image(), platform: given }] });
    expect(ran).toMatchObject({ code: 0 });
  });
});

test('a config that is wrong otherwise is refused in any case', async () => {
  const platform = { variant: 7 } as object;
  await pushImage(registry.url, 'team/app', 'wrong', makeImage({ platform }));
  const { code, stderr } = await world.run(['create', at('made'), `${at('wrong')}=linux/amd64`]);
  expect([code, stderr]).toEqual([3, expect.stringContaining('the config of')]);
});
