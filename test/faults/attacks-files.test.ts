import { mkdir, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { tarOf, type Member } from '../store/archive/tar-bytes.ts';
import { image } from '../support/hostile-registry.ts';
import { attacked, layer, startAttacked } from '../support/attacks.ts';
import { makeImage, sha256 } from '../support/images.ts';
import { putInLayout } from '../support/layouts.ts';

/** Attacks with the content of archives and layouts. */
startAttacked();

const symlinks = process.platform === 'win32' ? test.skip : test;

describe('an archive with', () => {
  const index = (digest: string): Member => ({
    name: 'index.json',
    content: JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType: image.mediaType, digest, size: 2 }] }),
  });
  const header = { name: 'oci-layout', content: '{"imageLayoutVersion":"1.0.0"}' };
  const blob = `blobs/sha256/${image.digest.slice('sha256:'.length)}`;
  const docker = (item: object): Member => ({ name: 'manifest.json', content: JSON.stringify([item]) });
  const evil = [
    ['a name that begins with ..', 'oci', [{ name: '../evil' }]],
    ['a path with parent folders in the middle', 'oci', [{ name: 'blobs/../../evil' }]],
    ['an absolute name', 'oci', [{ name: '/tmp/evil' }]],
    [
      'a symbolic link to an outside file',
      'oci',
      [header, index(image.digest), { name: blob, type: '2', link: '../../../secret' }],
    ],
    ['an absolute symbolic link', 'oci', [header, index(image.digest), { name: blob, type: '2', link: '/etc/passwd' }]],
    [
      'a hard link to an outside file',
      'oci',
      [header, index(image.digest), { name: blob, type: '1', link: '../secret' }],
    ],
    ['a device', 'oci', [header, index(image.digest), { name: blob, type: '3' }]],
    ['a digest that is a path to an outside file', 'oci', [header, index('sha256:../../../secret')]],
    ['a config path outside the archive', 'docker', [docker({ Config: '../secret', RepoTags: [], Layers: [] })]],
    [
      'a layer that is absolute',
      'docker',
      [docker({ Config: 'a.json', RepoTags: [], Layers: ['/etc/passwd'] }), { name: 'a.json', content: '{}' }],
    ],
    [
      'a layer that links out',
      'docker',
      [
        docker({ Config: 'a.json', RepoTags: [], Layers: ['a/layer.tar'] }),
        { name: 'a/layer.tar', type: '2', link: '../../secret' },
      ],
    ],
  ] as const;

  test.each<readonly [string, 'oci' | 'docker', readonly Member[]]>(evil)('%s (%s)', async (_, kind, members) => {
    await writeFile(join(attacked.work, 'evil.tar'), tarOf(...members));
    const before = await attacked.surroundings();
    for (const args of [
      ['copy', `${kind}-archive:evil.tar`, 'oci:there:v1'],
      ['copy', `${kind}-archive:evil.tar`, 'oci-archive:there.tar:v1'],
      ['create', 'x.io/a:b', `${kind}-archive:evil.tar`],
      ['inspect', `${kind}-archive:evil.tar`],
    ]) {
      expect((await attacked.run(args)).errors).toEqual(['DOCUMENT_INVALID']);
    }
    expect(await attacked.surroundings()).toEqual(before);
    expect((await readdir(attacked.work)).filter((name) => name !== 'there')).toEqual(['evil.tar']);
    await attacked.expectNothingNamed();
  });
});

describe('a layout with a link to an outside folder:', () => {
  const pathOf = (digest: string): string => join('blobs', ...digest.split(':'));
  const parts: readonly (readonly [string, string])[] = [
    ['oci-layout', 'oci-layout'],
    ['index.json', 'index.json'],
    ['the folder of blobs', 'blobs'],
    ['the folder of an algorithm', join('blobs', 'sha256')],
    ['a manifest', pathOf(image.digest)],
    ['a layer', pathOf(sha256(layer))],
  ];

  /** A layout with a part that is a link into `outside`. */
  async function linked(part: string): Promise<string> {
    const dir = join(attacked.work, 'layout');
    await putInLayout(dir, image, 'v1');
    const outside = join(attacked.cli.folder, 'outside');
    await mkdir(outside);
    await rename(join(dir, part), join(outside, 'part'));
    await symlink(join(outside, 'part'), join(dir, part));
    return dir;
  }

  symlinks.each(parts)('%s, read', async (_, part) => {
    await linked(part);
    const before = await attacked.surroundings();
    for (const target of ['oci:there:v1', `${attacked.proxy.host}/team/new:v1`]) {
      expect((await attacked.run(['copy', 'oci:layout:v1', target])).errors).toEqual(['DOCUMENT_INVALID']);
    }
    await attacked.expectNothingNamed();
    expect(await attacked.surroundings()).toEqual(before);
  });

  symlinks.each(parts.slice(0, 4))('%s, written', async (_, part) => {
    const dir = await linked(part);
    const index = await readFile(join(dir, 'index.json'));
    const before = await attacked.surroundings();
    const result = await attacked.run(['copy', `${attacked.honest.host}/team/app:v1`, 'oci:layout:new']);
    expect(new Set(result.errors)).toEqual(new Set(['DOCUMENT_INVALID']));
    expect(await attacked.surroundings()).toEqual(before);
    expect(await readFile(join(dir, 'index.json'))).toEqual(index);
  });

  test('a layer with a digest that is a path to an outside file', async () => {
    const layers = [{ mediaType: 'application/x', size: 6, digest: 'sha256:../../../../secret' }];
    const bad = makeImage({ salt: 'bad', kind: 'oci', manifest: { layers } });
    await writeFile(join(attacked.cli.folder, 'secret'), 'secret');
    await putInLayout(join(attacked.work, 'layout'), bad, 'v1');
    const target = `${attacked.honest.host}/team/new:v1`;
    expect((await attacked.run(['copy', 'oci:layout:v1', target])).errors).toEqual(['DOCUMENT_INVALID']);
    await attacked.expectNothingNamed();
  });
});
