import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/index.ts';
import { answer, Front, type Rule } from '../support/front.ts';
import { entryOf, makeImage, makeIndex, pushImage, putManifest, sha256 } from '../support/images.ts';
import { kept } from '../support/kept.ts';
import { World } from '../support/world.ts';

/** Registries that refuse to write a manifest for lack of what it refers to. */
const platforms = ['amd64', 'arm64'].map((architecture) => ({ os: 'linux', architecture }));
const images = platforms.map((platform) => makeImage({ salt: 'refused', kind: 'oci', platform }));
const list = makeIndex(images.map((image, at) => entryOf(image, platforms[at])));

let source: RunningRegistry;
let registry: RunningRegistry;
let front: Front;
let world: World;
let repository: string;
let repositories = 0;
beforeAll(async () => {
  [source, registry] = [await startRegistry(), await startRegistry()];
  for (const [at, image] of images.entries()) await pushImage(source.url, 'team/app', `image${at}`, image);
  await putManifest(source.url, 'team/app', '1.0', list.mediaType, list.bytes);
});
afterAll(async () => {
  await source.close();
  await registry.close();
});
beforeEach(async () => {
  front = kept(await Front.start({ upstream: registry.url }));
  world = await World.make();
  repository = `team/refused${(repositories += 1)}`;
});

const from = (tag: string): string => `${source.host}/team/app:${tag}`;
const to = (tag: string): string => `${front.host}/${repository}:${tag}`;
const refuse = (status: number, code: string, message: string, detail?: unknown): Rule =>
  answer(status, { 'content-type': 'application/json' }, JSON.stringify({ errors: [{ code, message, detail }] }));
const uploads = (): readonly string[] =>
  front.asked(/^PUT .*\/uploads\//).map(({ path }) => /digest=([^&]+)/.exec(path)?.[1] ?? '');

describe('a refusal for lack of content', () => {
  test.each([
    ['a layer that it names', () => sha256(images[0]!.blobs[1]!)],
    ['a layer that it does not name', () => undefined],
  ])('of an empty target, for lack of %s: nothing is sent twice', async (_, detail) => {
    front.on(
      new RegExp(`^PUT .*${images[0]!.digest}`),
      refuse(400, 'MANIFEST_BLOB_UNKNOWN', 'blob unknown to registry', { digest: detail() }),
    );
    for (const args of [
      ['copy', from('1.0'), to('1.0')],
      ['create', to('2.0'), from('1.0'), '--push'],
      ['join', to('3.0'), from('1.0')],
    ]) {
      front.forget();
      repository = `team/refused${(repositories += 1)}`;
      const target = args.map((word) => word.replace(/(team\/refused)\d+/, repository));
      const { code, stderr } = await world.run(target);
      expect([code, stderr]).toEqual([7, expect.not.stringMatching(/lost/)]);
      if (detail() !== undefined) expect(stderr).toContain(`${detail()}`);
      expect(uploads()).toHaveLength(new Set(uploads()).size);
    }
  });

  test('of a foreign layer names the layer and where it is stored', async () => {
    const layer = {
      mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
      digest: `sha256:${'1'.repeat(64)}`,
      size: 10,
      urls: ['https://mcr.example/v2/windows/blobs/base'],
    };
    const platform = { os: 'windows', architecture: 'amd64', 'os.version': '10.0.20348.1' };
    const windows = makeImage({ salt: 'windows', kind: 'oci', platform, manifest: { layers: [layer] } });
    await pushImage(source.url, 'team/app', 'windows', windows);
    front.on(
      new RegExp(`^PUT .*${windows.digest}`),
      refuse(400, 'MANIFEST_BLOB_UNKNOWN', 'blob unknown to registry', layer.digest),
    );
    const { code, stderr } = await world.run(['create', to('1.0'), from('1.0'), from('windows'), '--push']);
    expect([code, stderr]).toEqual([
      7,
      expect.stringMatching(/foreign layer sha256:1+ .*https:\/\/mcr\.example\/.*\nhint: Leave this image out/),
    ]);
    expect(stderr).not.toMatch(/lost/);
  });

  test('that the target was found to have: that is sent again, and nothing else', async () => {
    const [known, other] = images as [(typeof images)[0], (typeof images)[0]];
    await pushImage(registry.url, repository, undefined, known);
    await fetch(`${registry.url}/v2/${repository}/manifests/${known.digest}`, { method: 'DELETE' });
    const headers = { 'content-type': known.mediaType, 'docker-content-digest': known.digest };
    front.on(new RegExp(`^HEAD .*${known.digest}`), answer(200, headers));
    const { code, stderr } = await world.run(['copy', from('1.0'), to('1.0')]);
    expect([code, stderr]).toEqual([0, expect.stringMatching(/has lost a part of what it had/)]);
    const put = (digest: string) => front.asked(new RegExp(`^PUT .*/manifests/${digest}`)).map(({ status }) => status);
    expect([put(other.digest), put(known.digest), put('1.0')]).toEqual([[201], [201], [400, 201]]);
    expect(uploads()).toHaveLength(new Set(uploads()).size);
  });
});
