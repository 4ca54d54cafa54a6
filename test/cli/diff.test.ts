import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Platform } from '../../src/oci/platform/platform.ts';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { pushBuild } from '../support/buildx.ts';
import { entryOf, makeImage, makeIndex, pushImage, putManifest } from '../support/images.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** `diff`: the changes that a push would make. */
let registry: RunningRegistry;
let at: (name: string) => string;
const amd64: Platform = { architecture: 'amd64', os: 'linux' };
const arm64: Platform = { architecture: 'arm64', os: 'linux' };
const images = {
  amd64: makeImage({ salt: 'a', platform: amd64 }),
  arm64: makeImage({ salt: 'b', platform: arm64 }),
  newer: makeImage({ salt: 'c', platform: amd64 }),
};

beforeAll(async () => {
  registry = await startRegistry();
  at = (name) => `${registry.host}/${name}`;
  for (const [tag, image] of Object.entries(images)) await pushImage(registry.url, 'team/app', tag, image);
});
afterAll(() => registry.close());

interface Compared {
  readonly verdict: string;
  readonly before: { readonly digest?: string };
  readonly after: { readonly digest: string };
  readonly list: readonly { readonly member: string }[];
  readonly entries: readonly {
    readonly type: string;
    readonly name: string;
    readonly changes?: readonly { readonly member: string }[];
  }[];
}

const brief = ({ entries }: Compared) =>
  entries.map(({ type, name, changes = [] }) => [type, name, ...changes.map(({ member }) => member)].join(' '));

async function drafted(name: string, ...tags: readonly string[]): Promise<CliHarness> {
  const cli = await CliHarness.make();
  await cli.must('create', at(name), ...tags.map((tag) => at(`team/app:${tag}`)));
  return cli;
}

describe('compares a draft with its own tag', () => {
  test('a tag that does not exist: everything is added', async () => {
    const cli = await drafted('team/app:d1', 'amd64', 'arm64');
    const compared = await cli.json<Compared>('diff');
    expect([compared.verdict, compared.before.digest, brief(compared)]).toEqual([
      'different',
      undefined,
      ['added linux/amd64', 'added linux/arm64'],
    ]);
    expect((await cli.run(['diff', '--exit-code'])).code).toBe(8);
  });

  test('after a push: no difference', async () => {
    const cli = await drafted('team/app:d2', 'amd64', 'arm64');
    await cli.must('push');
    expect((await cli.json<Compared>('diff')).verdict).toBe('same');
    expect(await cli.run(['diff', '--exit-code'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('identical, byte for byte') as unknown,
    });
  });

  test('a replaced image, a variant, the order, a removed entry', async () => {
    const cli = await drafted('team/app:d3', 'amd64', 'arm64');
    await cli.must('push');
    await cli.must('add', at('team/app:newer'));
    await cli.must('annotate', '--arch', 'arm64', '--variant', 'v8');
    expect(brief(await cli.json<Compared>('diff'))).toEqual([
      'changed linux/amd64 digest',
      'changed linux/arm64/v8 platform.variant',
    ]);
    await cli.must('remove', '--platform', 'linux/amd64');
    expect(brief(await cli.json<Compared>('diff'))).toEqual([
      'changed linux/arm64/v8 platform.variant',
      'removed linux/amd64',
    ]);
  });

  test('another order', async () => {
    const cli = await drafted('team/app:d4', 'amd64', 'arm64');
    await cli.must('push');
    await cli.must('rm', at('team/app:d4'));
    await cli.must('create', at('team/app:d4'), at('team/app:arm64'), at('team/app:amd64'));
    const { entries, verdict } = await cli.json<Compared>('diff');
    expect([verdict, entries.map(({ type }) => type).sort()]).toEqual(['different', ['moved', 'same']]);
  });

  test('fields and media type of the list', async () => {
    const cli = await drafted('team/app:d5', 'amd64');
    await cli.must('push');
    await cli.must('annotate', '--index-annotation', 'k=v');
    expect((await cli.json<Compared>('diff')).list.map(({ member }) => member)).toEqual(['mediaType', 'annotations.k']);
    expect((await cli.run(['diff'])).stdout).toMatch(/annotations\.k: \(none\) -> v/);
  });

  test('attestations are listed with their image', async () => {
    const cli = await CliHarness.make();
    await pushBuild(registry.url, 'team/built', 'latest', [amd64], 'one');
    await cli.must('create', at('team/built:list'), at('team/built'));
    await cli.must('push');
    await pushBuild(registry.url, 'team/built', 'latest', [amd64], 'two');
    await cli.must('create', '--amend');
    expect(brief(await cli.json<Compared>('diff'))).toEqual([
      'changed linux/amd64 digest',
      expect.stringMatching(/^changed attestation of linux\/amd64 digest annotations/),
    ]);
  });
});

describe('compares two names', () => {
  test('equal content in different bytes', async () => {
    const document = makeIndex([entryOf(images.amd64, amd64)]);
    const spaced = Buffer.from(JSON.stringify(JSON.parse(document.bytes.toString()), undefined, 4));
    await putManifest(registry.url, 'team/app', 'compact', document.mediaType, document.bytes);
    await putManifest(registry.url, 'team/app', 'spaced', document.mediaType, spaced);
    const cli = await CliHarness.make();
    const compared = await cli.json<Compared>('diff', at('team/app:compact'), at('team/app:spaced'));
    expect([compared.verdict, brief(compared)]).toEqual(['equal', ['same linux/amd64']]);
    expect((await cli.run(['diff', at('team/app:compact'), at('team/app:spaced'), '--exit-code'])).code).toBe(8);
  });

  test('a name without a draft', async () => {
    const cli = await CliHarness.make();
    expect(await cli.run(['diff', at('team/app:amd64')])).toMatchObject({ code: 2 });
  });

  test('an image that becomes a list', async () => {
    const cli = await drafted('team/app:d6', 'amd64', 'arm64');
    const { entries } = await cli.json<Compared>('diff', at('team/app:d6'), at('team/app:amd64'));
    expect(entries.map(({ type }) => type)).toEqual(['changed', 'added']);
  });
});
