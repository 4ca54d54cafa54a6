import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { attestationEntry } from '../support/buildx.ts';
import { CliHarness } from '../support/cli-harness.ts';
import { registry, serveCopyImages } from '../support/copy-fixture.ts';
import { entryOf, makeImage, makeIndex, sha256, type Image } from '../support/images.ts';
import { writeSaved, writeSavedArchive } from '../support/layouts.ts';
import { expectFits } from '../support/schemas.ts';

/** `show` and `inspect --json` say which entries of an index its layout or archive has. */
serveCopyImages();

const imageFor = (architecture: string): Image =>
  makeImage({ kind: 'oci', salt: `available ${architecture}`, platform: { os: 'linux', architecture } });
const [amd64, arm64, s390x] = ['amd64', 'arm64', 's390x'].map(imageFor) as [Image, Image, Image];
const attestation = makeImage({ kind: 'oci', salt: 'att', platform: { os: 'unknown', architecture: 'unknown' } });
const entries = [amd64, arm64, s390x].map((image, at) =>
  entryOf(image, { os: 'linux', architecture: ['amd64', 'arm64', 's390x'][at]! }),
);
const index = makeIndex([...entries, attestationEntry(attestation, amd64)]);
/** The image for arm64 has no layer. */
const sparse = { index, content: [amd64, arm64], without: [sha256(arm64.blobs[1]!)] };
const whole = { index, content: [amd64, arm64, s390x, attestation] };

let cli: CliHarness;

beforeAll(async () => {
  cli = await CliHarness.make();
  await writeSaved(join(cli.folder, 'sparse'), sparse);
  await writeSavedArchive(join(cli.folder, 'sparse.tar'), sparse);
  await writeSaved(join(cli.folder, 'whole'), whole);
});

interface Shown {
  readonly entries: readonly {
    readonly digest: string;
    readonly available?: boolean;
    readonly attestations: readonly { readonly available?: boolean }[];
  }[];
}

describe.each(['oci:sparse', 'oci-archive:sparse.tar'])('%s', (location) => {
  test('show --json states what is available', async () => {
    const document = await cli.json<Shown>('show', location);
    expectFits('show', JSON.stringify(document));
    expect(document.entries.map(({ available }) => available)).toEqual([true, false, false]);
    expect(document.entries[0]?.attestations.map(({ available }) => available)).toEqual([false]);
  });

  test('inspect --json states what is available, in the order of the index', async () => {
    const document = await cli.json<Shown>('inspect', location);
    expectFits('inspect', JSON.stringify(document));
    expect(document.entries).toEqual([
      { digest: amd64.digest, available: true },
      { digest: arm64.digest, available: false },
      { digest: s390x.digest, available: false },
      { digest: attestation.digest, available: false },
    ]);
  });

  test('show has a column for it', async () => {
    const [, ...rows] = (await cli.must('show', location)).split('\n\n')[1]!.split('\n');
    expect(rows.map((row) => /\s(without attestations|no|yes)$/.exec(row)?.[1])).toEqual([
      'without attestations',
      'no',
      'no',
    ]);
    expect(await cli.must('show', location, '--tree')).toContain(`${attestation.bytes.length} B, not available`);
  });
});

test('show has no column if everything is available', async () => {
  expect(await cli.must('show', 'oci:whole')).not.toContain('AVAILABLE');
  const { entries: shown } = await cli.json<Shown>('show', 'oci:whole');
  expect(shown.map(({ available }) => available)).toEqual([true, true, true]);
});

test('registries and drafts are not asked', async () => {
  const location = `${registry.host}/team/app:v1`;
  registry.requests.length = 0;
  const { entries: shown } = await cli.json<Shown>('show', location);
  expect(await cli.json('inspect', location)).not.toHaveProperty('entries');
  expect(shown.some((entry) => 'available' in entry)).toBe(false);
  expect(registry.requests).toHaveLength(2);
  await cli.must('create', `${registry.host}/team/draft:v1`, 'oci:whole');
  const { entries: drafted } = await cli.json<Shown>('show', `${registry.host}/team/draft:v1`);
  expect(drafted.some((entry) => 'available' in entry)).toBe(false);
});
