import { appendFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { openLayout } from '../../src/store/layout/open-layout.ts';
import type { Layout } from '../../src/store/layout/layout.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { isDigest } from '../../src/oci/digest.ts';
import { roundsOf } from '../support/long.ts';
import { collect, imageOf, indexOf, tagged, unstated, withFolder } from './samples.ts';

/** Random edits. */
const STEPS = roundsOf(60, 240);

const refName = 'org.opencontainers.image.ref.name';
const [one, two, three] = ['a', 'b', 'c'].map((seed) => imageOf(seed).manifest) as [Content, Content, Content];
const index = indexOf([one.descriptor, two.descriptor]);

type Content = ReturnType<typeof imageOf>['manifest'];

/** A layout as the embedded registry opens it, with a tag in index.json, that keeps a journal for every further edit. */
function withJournal(work: (layout: Layout, dir: string) => Promise<void>): Promise<void> {
  return withFolder(async (folder) => {
    const dir = join(folder, 'layout');
    await (await openLayout(dir, { create: true })).putManifest(one, 'v1');
    await work(await openServed(dir), dir);
  });
}

async function openServed(dir: string): Promise<Layout> {
  const layout = await openLayout(dir, { keepUntagged: true, journalFrom: 0 });
  // index.json is too young to be known by its time, so the first edit is written to it.
  await layout.putManifest(one, 'first');
  return layout;
}

async function tagsInIndex(dir: string): Promise<Readonly<Record<string, string>>> {
  const { manifests } = JSON.parse(await readFile(join(dir, 'index.json'), 'utf8')) as { manifests: Descriptor[] };
  return Object.fromEntries(manifests.map((each) => [each.annotations?.[refName] ?? '-', each.digest]));
}

async function writeTags(dir: string, tags: Readonly<Record<string, Content>>): Promise<void> {
  const manifests = Object.entries(tags).map(([tag, content]) => tagged(content, tag));
  await writeFile(join(dir, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
}

async function resolveAll(layout: Layout): Promise<Readonly<Record<string, string>>> {
  const tags = await collect(layout.tags());
  return Object.fromEntries(
    await Promise.all(tags.map(async (tag) => [tag, (await layout.resolve(tag)).digest] as const)),
  );
}

describe('the journal of a layout', () => {
  test('has edits that are not in index.json, until they are merged', () =>
    withJournal(async (layout, dir) => {
      await layout.putManifest(two, 'v1');
      await layout.putManifest(two, 'v2');
      expect(await tagsInIndex(dir)).toMatchObject({ v1: one.descriptor.digest });
      expect((await readdir(dir)).sort()).toEqual(['blobs', 'index.journal', 'index.json', 'oci-layout']);
      const expected = { v1: two.descriptor.digest, first: one.descriptor.digest, v2: two.descriptor.digest };
      expect(await resolveAll(layout)).toEqual(expected);
      expect(await resolveAll(await openLayout(dir))).toEqual(expected);
      await layout.mergeJournal();
      expect(await tagsInIndex(dir)).toEqual(expected);
      expect((await readdir(dir)).sort()).toEqual(['blobs', 'index.json', 'oci-layout']);
      expect(await resolveAll(layout)).toEqual(expected);
    }));

  test('is merged within a moment', () =>
    withJournal(async (layout, dir) => {
      await layout.putManifest(two, 'v2');
      while ((await tagsInIndex(dir))['v2'] === undefined) await new Promise((resolve) => setTimeout(resolve, 50));
      expect(await resolveAll(layout)).toMatchObject({ v2: two.descriptor.digest });
    }));

  test('is merged by another process that writes, and both processes see all edits', () =>
    withJournal(async (layout, dir) => {
      await layout.putManifest(two, 'v2');
      const other = await openLayout(dir);
      await other.putManifest(three, 'v3');
      expect(await tagsInIndex(dir)).toMatchObject({ v2: two.descriptor.digest, v3: three.descriptor.digest });
      await layout.untag('v3');
      await layout.putManifest(three, 'v4');
      for (const each of [layout, other]) {
        expect(await resolveAll(each)).toEqual({
          v1: one.descriptor.digest,
          first: one.descriptor.digest,
          v2: two.descriptor.digest,
          v4: three.descriptor.digest,
        });
      }
    }));

  test('loses no edit of concurrent layouts', () =>
    withJournal(async (_, dir) => {
      const layouts = await Promise.all([0, 1, 2].map(() => openLayout(dir, { journalFrom: 0 })));
      const names = Array.from({ length: 30 }, (_none, at) => `t${at}`);
      await Promise.all(names.map((name, at) => layouts[at % 3]!.putManifest(imageOf(name).manifest, name)));
      expect((await collect((await openLayout(dir)).tags())).sort()).toEqual([...names, 'first', 'v1'].sort());
    }));

  test.each([
    ['half of an edit', '{"changes":[{"tag":"v9","before":[],"aft'],
    ['zeros', '\0\0\0\0\0\0\n'],
    ['zeros and half of an edit', '\0\0\n\0"}]}\n{"ch'],
  ])('ends where a power failure has left %s', (_, tail) =>
    withJournal(async (layout, dir) => {
      await layout.putManifest(two, 'v2');
      await appendFile(join(dir, 'index.journal'), tail);
      const reopened = await openLayout(dir, { journalFrom: 0 });
      const expected = { v1: one.descriptor.digest, first: one.descriptor.digest, v2: two.descriptor.digest };
      expect(await resolveAll(reopened)).toEqual(expected);
      await reopened.putManifest(three, 'v3');
      expect(await resolveAll(await openLayout(dir))).toEqual({ ...expected, v3: three.descriptor.digest });
    }),
  );

  const damages: readonly (readonly [string, (lines: string[]) => void])[] = [
    ['zeros', (lines) => (lines[1] = '\0'.repeat(lines[1]!.length))],
    ['half of an edit', (lines) => (lines[1] = lines[1]!.slice(0, 40))],
    ['an edit with an invalid digest', (lines) => (lines[1] = lines[1]!.replace('sha256:', 'sha256'))],
    ['an edit without entries', (lines) => (lines[1] = '{"changes":[{"tag":"v9","before":[]}]}')],
    [
      'an edit with an invalid previous digest',
      (lines) => (lines[1] = lines[1]!.replace('"before":[]', '"before":[1]')),
    ],
    ['an empty line', (lines) => (lines[1] = '')],
  ];
  test.each(damages)('with %s before other edits is refused with the line, and nothing is changed', (_, damage) =>
    withJournal(async (layout, dir) => {
      await layout.putManifest(two, 'v2');
      await layout.putManifest(three, 'v3');
      const path = join(dir, 'index.journal');
      const lines = (await readFile(path, 'utf8')).split('\n');
      damage(lines);
      await writeFile(path, lines.join('\n'));
      const fresh = await openLayout(dir, { journalFrom: 0 });
      const failure = {
        code: 'ERR_MLIST_DOCUMENT_INVALID',
        message: `${join(dir, 'index.journal')} is damaged: line 2 is not a valid edit`,
        facts: { hint: expect.stringContaining('remove line 2') as unknown },
      };
      await expect(fresh.resolve('v3')).rejects.toMatchObject(failure);
      await expect(fresh.putManifest(three, 'v4')).rejects.toMatchObject(failure);
      await expect(fresh.mergeJournal()).rejects.toMatchObject(failure);
      expect(await readFile(path, 'utf8')).toBe(lines.join('\n'));
      // The remedy of the error: the other edits are still there.
      await writeFile(path, lines.filter((_line, at) => at !== 1).join('\n'));
      const repaired = await openLayout(dir, { journalFrom: 0 });
      expect(Object.keys(await resolveAll(repaired)).sort()).toEqual(['first', 'v1', 'v3']);
    }),
  );

  test('of another version is refused, and nothing is changed', () =>
    withJournal(async (_, dir) => {
      await writeFile(join(dir, 'index.journal'), '{"mlistJournal":2}\n');
      const fresh = await openLayout(dir);
      const failure = {
        code: 'ERR_MLIST_DOCUMENT_INVALID',
        message: expect.stringContaining('index.journal') as unknown,
      };
      await expect(fresh.resolve('v1')).rejects.toMatchObject(failure);
      await expect(fresh.putManifest(two, 'v2')).rejects.toMatchObject(failure);
      expect(await tagsInIndex(dir)).not.toHaveProperty('v2');
    }));
});

describe('a journal that a killed server has left', () => {
  const cases: readonly (readonly [string, Readonly<Record<string, Content>>, Readonly<Record<string, Content>>])[] = [
    [
      'keeps tags that another tool has added',
      { v1: one, first: one, other: three },
      { v1: two, v2: two, first: one, other: three },
    ],
    [
      'does not override a tag that another tool has moved',
      { v1: three, first: one },
      { v1: three, v2: two, first: one },
    ],
    ['does not restore a tag that another tool has removed', { first: one }, { v2: two, first: one }],
    [
      'does not override a tag that another tool has added',
      { v1: one, first: one, v2: three },
      { v1: two, first: one, v2: three },
    ],
    [
      'changes nothing in an index.json that has its edits',
      { v1: two, first: one, v2: two },
      { v1: two, first: one, v2: two },
    ],
  ];
  test.each(cases)('%s', (_, inIndex, expected) =>
    withJournal(async (layout, dir) => {
      await layout.putManifest(two, 'v1');
      await layout.putManifest(two, 'v2');
      const journal = await readFile(join(dir, 'index.journal'));
      await layout.putManifest(three, 'v3');
      await layout.untag('v3');
      await layout.mergeJournal();
      await writeFile(join(dir, 'index.journal'), journal);
      await writeTags(dir, inIndex);
      const reopened = await openLayout(dir);
      const digests = Object.fromEntries(
        Object.entries(expected).map(([tag, { descriptor }]) => [tag, descriptor.digest]),
      );
      expect(await resolveAll(reopened)).toEqual(digests);
      await reopened.mergeJournal();
      expect(await tagsInIndex(dir)).toMatchObject(digests);
    }),
  );
});

test('edits have the same result with a journal and without, in any order', () =>
  withFolder(async (folder) => {
    const [plainDir, servedDir] = [join(folder, 'plain'), join(folder, 'served')];
    const contents = [one, two, three, index, indexOf([index.descriptor, three.descriptor]), unstated(one)];
    let seed = 7;
    const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
    const layouts = [];
    for (const dir of [plainDir, servedDir]) {
      await openLayout(dir, { create: true });
      layouts.push(await openLayout(dir, { keepUntagged: true, journalFrom: dir === servedDir ? 0 : undefined }));
    }
    const [plain, served] = layouts as [Layout, Layout];
    for (let step = 0; step < STEPS; step += 1) {
      const content = contents[random(contents.length)]!;
      const tag = `t${random(4)}`;
      const name = [tag, content.descriptor.digest][random(2)]!;
      const work = [
        (layout: Layout) => layout.putManifest(content, isDigest(name) ? name : tag),
        (layout: Layout) => layout.putManifest(content, isDigest(name) ? name : tag),
        (layout: Layout) => layout.untag(tag),
        (layout: Layout) => layout.deleteManifest(content.descriptor.digest),
      ][random(4)]!;
      const outcomes = await Promise.all([plain, served].map((layout) => outcomeOf(work(layout), layout)));
      expect(outcomes[1]).toBe(outcomes[0]);
      if (step % 10 === 0) await served.mergeJournal();
      const fresh = await openLayout(servedDir);
      const expected = await statesOf(plain, contents);
      expect(await statesOf(served, contents)).toEqual(expected);
      if (step % 5 === 0) expect(await statesOf(fresh, contents)).toEqual(expected);
    }
  }));

async function outcomeOf(work: Promise<void>, { location }: Layout): Promise<string> {
  return await work.then(
    () => 'done',
    (error: unknown) => (error as Error).message.replaceAll(location, ''),
  );
}

/** What a client can see: entries in any order, and every content by its digest. */
async function statesOf(layout: Layout, contents: readonly Content[]): Promise<unknown> {
  const entries = (await layout.entries()).map((entry) => JSON.stringify(entry)).sort();
  const stored = await layout.storedManifests(contents.map(({ descriptor }) => descriptor.digest));
  return { entries, stored: [...stored.values()].map((each) => JSON.stringify(each)).sort() };
}
