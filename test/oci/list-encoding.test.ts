import { describe, expect, test } from '@jest/globals';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { encodeImageIndex, encodeManifestList } from '../../src/oci/list-encoding.ts';
import { readJson } from '../../src/json/parse.ts';
import type { ImageIndex } from '../../src/oci/manifest.ts';
import { diffLists } from '../../src/oci/list-diff.ts';
import { AnnotationKey } from '../../src/oci/descriptor.ts';
import { goldenFile } from '../support/golden.ts';

interface GoldenList {
  readonly name: string;
  readonly tool: string;
  readonly manifests: readonly Descriptor[];
  readonly bytes: string;
  readonly digest: string;
}

interface GoldenIndex extends Omit<GoldenList, 'manifests'> {
  readonly index: ImageIndex;
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8');
}

describe('the bytes of Docker manifest lists equal those of other tools', () => {
  test.each(
    goldenFile<readonly GoldenList[]>('docker-lists.json').map((golden) => [golden.tool, golden.name, golden] as const),
  )('%s: %s', (_tool, _name, golden) => {
    const bytes = encodeManifestList({ manifests: golden.manifests });
    expect(text(bytes)).toBe(golden.bytes);
    expect(digestOf(bytes)).toBe(golden.digest);
  });

  test.each(['urls', 'annotations', 'data', 'artifactType'])('rejects an entry with %s', (member) => {
    const entry = {
      mediaType: 'a/b',
      digest: digestOf(Buffer.of()),
      size: 0,
      platform: { architecture: 'a', os: 'b' },
    };
    expect(() => encodeManifestList({ manifests: [{ ...entry, [member]: 'x' }] })).toThrow(
      /only an OCI index can contain/,
    );
  });
});

describe('the bytes of OCI indexes equal those of other tools', () => {
  test.each(
    goldenFile<readonly GoldenIndex[]>('oci-indexes.json')
      .filter(({ index }) => (index.mediaType as string | undefined) !== undefined)
      .map((golden) => [golden.tool, golden.name, golden] as const),
  )('%s: %s', (_tool, _name, golden) => {
    const bytes = encodeImageIndex(golden.index);
    expect(text(bytes)).toBe(golden.bytes);
    expect(digestOf(bytes)).toBe(golden.digest);
  });

  test('unknown members follow the known ones in source order, at every level', () => {
    const source =
      '{"zzz":1.0,"manifests":[{"10":[],"9":{},"size":1,"mediaType":"a/b","digest":"sha256:0","platform":' +
      '{"x":1e3,"2":null,"1":18446744073709551615,"os":"linux","architecture":"arm"}}],"aaa":{"b":1,"a":2}}';
    const { value } = readJson(Buffer.from(source));
    expect(text(encodeImageIndex(value as never))).toBe(
      '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"a/b",' +
        '"digest":"sha256:0","size":1,"platform":{"architecture":"arm","os":"linux","x":1e3,"2":null,' +
        '"1":18446744073709551615},"10":[],"9":{}}],"zzz":1.0,"aaa":{"b":1,"a":2}}',
    );
  });
});

test('the comparison of two lists reads each entry a constant number of times', () => {
  let reads = 0;
  const listOf = (first: number, count: number): ImageIndex => {
    const entries = Array.from({ length: count }, (_, at) => {
      const digest = digestOf(Buffer.from(`${first + at}`));
      const image = { mediaType: 'application/vnd.oci.image.manifest.v1+json', size: 1 };
      const attestation = {
        [AnnotationKey.referenceType]: 'attestation-manifest',
        [AnnotationKey.referenceDigest]: digest,
      };
      return [
        { ...image, digest, platform: { os: 'linux', architecture: `a${at}` } },
        { ...image, digest: digestOf(Buffer.from(`attestation ${first + at}`)), annotations: attestation },
      ];
    });
    const counted = (entry: Descriptor): Descriptor =>
      new Proxy(entry, {
        get: (target, name, receiver) => {
          reads += 1;
          return Reflect.get(target, name, receiver) as unknown;
        },
      });
    return {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: entries.flat().map(counted),
    };
  };
  const { entries } = diffLists(listOf(0, 500), listOf(1_000_000, 500));
  expect([entries.length, new Set(entries.map(({ type }) => type))]).toEqual([1000, new Set(['changed'])]);
  expect(reads).toBeLessThan(100_000);
});
