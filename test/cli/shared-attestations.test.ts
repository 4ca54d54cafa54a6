import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { pushBuild, type Built } from '../support/buildx.ts';
import { getManifest } from '../support/images.ts';
import { describeOnRegistries, type Registry } from '../support/registries.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** BuildKit gives images with equal layers one attestation manifest, and lists it once for each image. */
describeOnRegistries('an attestation that two images share', (start) => {
  const platforms = ['amd64', 'arm64'].map((architecture) => ({ architecture, os: 'linux' }));
  let registry: Registry;
  let cli: CliHarness;
  let built: Built;
  let next: Built;
  const at = (name: string) => `${registry.host}/team/${name}`;

  beforeAll(async () => {
    registry = await start();
    const shared = { sharesAttestation: true };
    built = await pushBuild(registry.url, 'team/app', 'built', platforms, '', shared);
    next = await pushBuild(registry.url, 'team/app', 'next', platforms, 'next', shared);
  });
  afterAll(() => registry.close());
  beforeEach(async () => {
    cli = await CliHarness.make();
  });

  /** Each image of a list with the digests of its attestations. */
  async function attested(name: string): Promise<readonly (readonly string[])[]> {
    const { manifests } = JSON.parse(await cli.must('inspect', name)) as { manifests: readonly Descriptor[] };
    const images = manifests.filter(({ platform }) => platform?.os !== 'unknown');
    const about = (digest: string) =>
      manifests.filter(({ annotations }) => annotations?.['vnd.docker.reference.digest'] === digest);
    return images.map(({ digest }) => [digest, ...about(digest).map((one) => one.digest)]);
  }

  const pairs = ({ images, attestations }: Built) =>
    images.map((image, place) => [image.digest, attestations[place]?.digest]);

  test('create and push: the same bytes, without a warning, in the same repository and in another', async () => {
    for (const name of ['app:same', 'other:same']) {
      const result = await cli.run(['create', at(name), `docker://${at('app:built')}`, '--push']);
      expect(result).toMatchObject({ code: 0, stdout: `${built.index.digest}\n` });
      expect(result.stderr).not.toMatch(/warning/);
    }
    const served = await getManifest(registry.url, 'team/other', 'same');
    expect(served?.bytes.equals(built.index.bytes)).toBe(true);
    expect((await cli.run(['validate', `docker://${at('other:same')}`, '--deep'])).code).toBe(0);
  });

  test.each(['--amend', '--replace'])('create %s: unchanged sources change nothing', async (flag) => {
    await cli.must('create', at('app:again'), `docker://${at('app:built')}`);
    await cli.must('create', at('app:again'), flag, `docker://${at('app:built')}`);
    expect(await cli.must('push', '--dry-run')).toContain(built.index.digest);
  });

  test.each(['--amend', '--replace'])('create %s: a new build takes its attestation along', async (flag) => {
    await cli.must('create', at('app:again'), `docker://${at('app:built')}`);
    await cli.must('create', at('app:again'), flag, `docker://${at('app:next')}`);
    expect(await attested(at('app:again'))).toEqual(pairs(next));
  });

  test('annotate, remove and add: every image keeps its own entry for the attestation', async () => {
    const name = at('app:edited');
    await cli.must('create', name, `docker://${at('app:built')}`);
    await cli.must('annotate', name, '--platform', 'linux/arm64', '--variant', 'v8');
    expect(await attested(name)).toEqual(pairs(built));
    await cli.must('remove', name, '--platform', 'linux/arm64');
    expect(await attested(name)).toEqual(pairs(built).slice(0, 1));
    await cli.must('add', name, `docker://${at('app:built')}`);
    expect(await attested(name)).toEqual(pairs(built));
    await cli.must('push', name);
    expect(await attested(`docker://${name}`)).toEqual(pairs(built));
  });

  test('copy --platform, join and apply', async () => {
    await cli.must('copy', at('app:built'), at('app:filtered'), '--platform', 'linux/arm64');
    expect(await attested(`docker://${at('app:filtered')}`)).toEqual(pairs(built).slice(1));
    await cli.must('join', at('app:joined'), at('app:built'), '--group', '1', '--expect', 'linux/amd64,linux/arm64');
    expect(await attested(`docker://${at('app:joined')}`)).toEqual(pairs(built));
    const spec = `list: ${at('app:applied')}\nmanifests: ['docker://${at('app:built')}']\n`;
    expect(await cli.run(['apply', '-f', '-'], { stdin: spec })).toMatchObject({ code: 0 });
    expect(await attested(`docker://${at('app:applied')}`)).toEqual(pairs(built));
  });

  test('diff pairs the entries by the image of the attestation', async () => {
    await cli.must('copy', at('app:built'), at('app:arm64'), '--platform', 'linux/arm64');
    const { entries } = await cli.json<{ entries: { name: string; type: string }[] }>(
      'diff',
      at('app:built'),
      at('app:arm64'),
    );
    expect(Object.fromEntries(entries.map(({ name, type }) => [name, type]))).toEqual({
      'linux/amd64': 'added',
      'linux/arm64': 'same',
      'attestation of linux/amd64': 'added',
      'attestation of linux/arm64': 'same',
    });
  });

  test('inspect prints it by digest', async () => {
    const [attestation] = built.attestations;
    const shown = await cli.must('inspect', `docker://${at('app:built')}`, attestation?.digest ?? '', '--raw');
    expect(shown).toBe(attestation?.bytes.toString());
  });
});
