import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import type { ImageConfig, ImageIndex, ImageManifest, ManifestList } from '../../src/oci/manifest.ts';
import type { Platform } from '../../src/oci/platform/platform.ts';
import { parseDigest } from '../../src/oci/digest.ts';
import type { DraftDocument, EntryDocument } from '../../src/draft/workspace/draft-file.ts';

/** The types are written by hand, while the schemas apply at run time. These tests compare the two. */
interface Schema {
  readonly $id?: string;
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly required?: readonly string[];
  readonly $defs?: Readonly<Record<string, Schema>>;
}

function schema(name: string): Schema {
  return JSON.parse(readFileSync(new URL(`../../schemas/${name}.schema.json`, import.meta.url), 'utf8')) as Schema;
}

const descriptorSchema = schema('descriptor');
const draftSchema = schema('draft');
const ajv = new Ajv2020({
  strict: true,
  allErrors: true,
  allowUnionTypes: true,
  schemas: [descriptorSchema, draftSchema],
});

/** An object with every member of a type. The compiler checks it against the type, the test against the schema. */
type Full<T> = { [K in keyof T]-?: Exclude<T[K], undefined> };

const digest = parseDigest(`sha256:${'0'.repeat(64)}`);
const platform: Full<Platform> = {
  architecture: 'arm64',
  os: 'linux',
  'os.version': '1',
  'os.features': ['f'],
  variant: 'v8',
};
const descriptor: Full<Descriptor> = {
  mediaType: 'a/b',
  digest,
  size: 1,
  urls: ['https://x.io'],
  annotations: { a: 'b' },
  data: 'e30=',
  platform,
  artifactType: 'a/b',
};
const manifests = [descriptor];
const index: Full<ImageIndex> = {
  schemaVersion: 2,
  mediaType: 'application/vnd.oci.image.index.v1+json',
  artifactType: 'a/b',
  manifests,
  subject: descriptor,
  annotations: { a: 'b' },
};
const list: Full<ManifestList> = {
  schemaVersion: 2,
  mediaType: 'application/vnd.docker.distribution.manifest.list.v2+json',
  manifests,
};
const manifest: Full<ImageManifest> = {
  schemaVersion: 2,
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  artifactType: 'a/b',
  config: descriptor,
  layers: manifests,
  subject: descriptor,
  annotations: { a: 'b' },
};
const config: Full<ImageConfig> = {
  architecture: 'arm64',
  os: 'linux',
  variant: null,
  'os.version': '1',
  'os.features': ['f'],
};
const entry: Full<EntryDocument> = {
  source: 'x.io/a:b',
  via: digest,
  image: { id: digest, layers: [digest] },
  fill: ['x.io/a'],
  mediaType: 'a/b',
  digest,
  size: 1,
  detected: platform,
  set: {
    os: 'linux',
    architecture: null,
    variant: 'v8',
    'os.version': null,
    'os.features': ['f'],
    annotations: { a: null },
    artifactType: 'a/b',
  },
  annotations: { a: 'b' },
  artifactType: 'a/b',
  urls: ['https://x.io'],
  data: 'e30=',
  attests: digest,
  extra: { x: 1 },
};
const draft: Full<DraftDocument> = {
  version: 1,
  list: 'x.io/a:b',
  format: 'oci',
  annotations: { a: 'b' },
  artifactType: 'a/b',
  subject: descriptor,
  base: { ref: 'x.io/a:b', digest },
  extra: { x: 1 },
  entries: [entry],
};

const pairs: readonly [name: string, schema: Schema, sample: object, more: readonly string[]][] = [
  ['descriptor', descriptorSchema, descriptor, []],
  // `features` is reserved by OCI: it is read, but never written.
  ['platform', descriptorSchema.$defs?.['platform'] ?? {}, platform, ['features']],
  ['image-index', schema('image-index'), index, []],
  ['docker-manifest-list', schema('docker-manifest-list'), list, []],
  ['image-manifest', schema('image-manifest'), manifest, []],
  ['image-config', schema('image-config'), config, []],
  ['draft', draftSchema, draft, []],
  ['entry', draftSchema.$defs?.['entry'] ?? {}, entry, []],
  ['settings', draftSchema.$defs?.['set'] ?? {}, entry.set, []],
];

function validatorOf(name: string, schemaOfType: Schema) {
  const definitions: Readonly<Record<string, string>> = {
    platform: 'descriptor.schema.json#/$defs/platform',
    entry: 'draft.schema.json#/$defs/entry',
    settings: 'draft.schema.json#/$defs/set',
  };
  return ajv.getSchema(definitions[name] ?? `${name}.schema.json`) ?? ajv.compile(schemaOfType);
}

describe('types and schemas', () => {
  test.each(pairs)('%s: type and schema have the same members', (_name, of, sample, more) => {
    expect([...Object.keys(sample), ...more].sort()).toEqual(Object.keys(of.properties ?? {}).sort());
  });

  test.each(pairs)('%s: the full sample and the smallest sample are valid', (name, of, sample) => {
    const validate = validatorOf(name, of);
    const smallest = Object.fromEntries(Object.entries(sample).filter(([member]) => of.required?.includes(member)));
    expect([validate(sample), validate.errors]).toEqual([true, null]);
    // The manifest of an entry depends on its image.
    if (name !== 'settings' && name !== 'entry') expect([validate(smallest), validate.errors]).toEqual([true, null]);
  });

  test.each(pairs)('%s: a sample without a required member is invalid', (name, of, sample) => {
    const validate = validatorOf(name, of);
    for (const member of of.required ?? []) {
      const without = Object.fromEntries(Object.entries(sample).filter(([other]) => other !== member));
      expect([member, validate(without)]).toEqual([member, false]);
    }
  });

  test.each(pairs)('%s: a sample with a member of a wrong type is invalid', (name, of, sample) => {
    const validate = validatorOf(name, of);
    for (const member of Object.keys(sample))
      expect([member, validate({ ...sample, [member]: true })]).toEqual([member, false]);
  });

  test.each(['draft', 'entry', 'settings'])('%s: an unknown member is refused', (name) => {
    const [, of, sample] = pairs.find(([one]) => one === name) ?? [name, {}, {}];
    expect(validatorOf(name, of)({ ...sample, unknown: 1 })).toBe(false);
  });

  test.each(['descriptor', 'image-index', 'image-manifest'])('%s: an unknown member is allowed', (name) => {
    const [, of, sample] = pairs.find(([one]) => one === name) ?? [name, {}, {}];
    expect(validatorOf(name, of)({ ...sample, unknown: 1 })).toBe(true);
  });
});
