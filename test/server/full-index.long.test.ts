import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { openLayout } from '../../src/store/layout/open-layout.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { collect, contentsOf, imageOf, indexOf, tagged, withFolder, writeLayout } from '../store/samples.ts';
import { casesOf } from '../support/long.ts';
import { codesOf, jsonOf, withRegistry, type Served } from './client.ts';

const MIB = 1024 * 1024;
const image = imageOf('a');
const other = imageOf('b');
const list = indexOf([image.manifest.descriptor, other.manifest.descriptor]);
const contents = [...contentsOf(image), ...contentsOf(other), list];

/** Writes a layout with these tags, whose index.json has about this size because of one long annotation. */
async function writeLarge(dir: string, bytes: number, tags: readonly string[]): Promise<void> {
  const entries: Descriptor[] = tags.map((tag) => tagged(image.manifest, tag));
  const size = JSON.stringify(entries).length + 1000;
  const filler = { ...image.manifest.descriptor, annotations: { filler: 'x'.repeat(bytes - size) } };
  await writeLayout(dir, contents, [...entries, filler]);
}

async function tagsOf(served: Served): Promise<readonly string[]> {
  return (jsonOf(await served.get('/v2/repo/tags/list?n=1000')) as { tags: string[] }).tags;
}

/** Puts tags until the registry refuses one. @returns the tags that it has accepted */
async function fillUp(served: Served): Promise<readonly string[]> {
  const accepted: string[] = [];
  for (;;) {
    const tag = `new${accepted.length}`;
    const answer = await served.putManifest('repo', other.manifest, tag);
    if (answer.status !== 201) {
      expect([answer.status, codesOf(answer)]).toEqual([507, ['UNAVAILABLE']]);
      expect(answer.body.toString()).toMatch(/its index\.json would exceed 64\.0 MiB/);
      return accepted;
    }
    accepted.push(tag);
    expect(accepted.length).toBeLessThan(100);
  }
}

const cases: readonly (readonly [string, number])[] = [
  ['in the journal', 130],
  ['in index.json', 3],
];

test.each(casesOf(cases, 2, 1))(
  'a repository with a full index keeps its tags, which can be deleted, with edits %s',
  (_, count) =>
    withFolder(async (dir) => {
      const old = Array.from({ length: count }, (_, at) => `v${at}`);
      await writeLarge(join(dir, 'repo'), 64 * MIB, old);
      let tags: readonly string[] = [];
      await withRegistry({ dir }, async (served) => {
        tags = [...old, ...(await fillUp(served))].sort();
        expect(tags.length).toBeGreaterThan(count);
        expect(await tagsOf(served)).toEqual(tags);
      });
      // All edits are in index.json now.
      expect((await stat(join(dir, 'repo', 'index.json'))).size).toBeLessThanOrEqual(64 * MIB);
      await withRegistry({ dir }, async (served) => {
        expect(await tagsOf(served)).toEqual(tags);
        expect((await served.putManifest('repo', list, 'more')).status).toBe(507);
        expect((await served.get('/v2/repo/manifests/v1')).body).toEqual(image.manifest.bytes);
        for (const tag of ['v0', 'v1', 'new0'])
          expect((await served.send('DELETE', `/v2/repo/manifests/${tag}`)).status).toBe(202);
        expect((await served.putManifest('repo', other.manifest, 'later')).status).toBe(201);
      });
    }),
);

test('an index that another tool has made larger can be read, and made smaller, but not larger', () =>
  withFolder(async (dir) => {
    const path = join(dir, 'repo');
    await writeLarge(path, 70 * MIB, ['v0', 'v1']);
    const layout = await openLayout(path, { create: true });
    await expect(layout.putManifest(other.manifest, 'new')).rejects.toMatchObject({
      code: 'ERR_MLIST_FILE',
      message: `${path} is full: its index.json would become larger than 64.0 MiB`,
    });
    await layout.untag('v0');
    expect(await collect((await openLayout(path)).tags())).toEqual(['v1']);
    const before = await readFile(join(path, 'index.json'));
    await expect(layout.putManifest(other.manifest, 'new')).rejects.toThrow('is full');
    expect((await readFile(join(path, 'index.json'))).equals(before)).toBe(true);
  }));
