import { execFileSync } from 'node:child_process';
import { lstat, mkdir, readdir, rm, unlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { at, images, serveCreateImages } from '../support/create-fixture.ts';
import { CliHarness } from '../support/cli-harness.ts';
import { sha256 } from '../support/images.ts';

/** Other files in the place of the cache: they never stop a command, because the cache is optional. */
serveCreateImages();

let cli: CliHarness;
let cache: string;
let count = 0;
beforeEach(async () => {
  cli = await CliHarness.make();
  cache = join(cli.workspace, 'blobs', 'sha256');
  count += 1;
});

describe('a cache that is not writable', () => {
  beforeEach(async () => {
    await mkdir(join(cache, '..'), { recursive: true });
    await writeFile(cache, '');
  });

  test('stops no command that writes no draft', async () => {
    const list = at(`team/list:${count}`);
    const [amd64, arm64] = [at('team/app:amd64'), at('team/app:arm64')];
    await cli.must('create', at('team/list:dry'), amd64, '--push', '--dry-run');
    await cli.must('join', list, amd64, '--group', 'g');
    await cli.must('add', list, arm64, '--push');
    await cli.must('inspect', list, '-v');
    await cli.must('validate', list, '--deep');
    const { manifests } = JSON.parse(await cli.must('inspect', list)) as { manifests: { digest: string }[] };
    expect(manifests.map(({ digest }) => digest)).toEqual([images.amd64.digest, images.arm64.digest]);
  });

  test('is reported if a draft cannot be written either', async () => {
    const { code, stderr } = await cli.run(['create', at('team/list:x'), at('team/app:amd64')]);
    expect(code).toBe(1);
    // The manifest and its config are written at the same time: the message names the one that fails first.
    const copies = [images.amd64.digest, sha256(images.amd64.blobs[0]!)].map((digest) =>
      join(cache, digest.slice('sha256:'.length)),
    );
    const reported = /cannot write (\S+): /.exec(stderr)?.[1];
    expect(copies).toContain(reported);
    expect(await cli.must('ls')).not.toContain('team/list');
  });
});

describe('a folder in the place of a cached blob', () => {
  const list = 'localhost:1/a:1';
  let copies: readonly string[];

  async function replaceCopies(make: (path: string) => unknown): Promise<void> {
    await cli.must('create', list, at('team/app:amd64'));
    copies = (await readdir(cache)).map((name) => join(cache, name));
    expect(copies).toHaveLength(2);
    for (const path of copies) {
      await unlink(path);
      await make(path);
      await utimes(path, 0, 0);
    }
  }

  const others: readonly (readonly [string, (path: string) => unknown])[] = [
    ['a pipe', (path) => execFileSync('mkfifo', [path])],
    ['a folder', (path) => mkdir(path)],
  ];

  (process.platform === 'win32' ? describe.skip : describe).each(others)('%s', (_name, make) => {
    test('is a cache miss', async () => {
      await replaceCopies(make);
      const shown = JSON.parse(await cli.must('inspect', list, '-v')) as { Descriptor: { digest: string } }[];
      expect(shown.map(({ Descriptor: { digest } }) => digest)).toEqual([images.amd64.digest]);
    });

    test('is not an unused blob', async () => {
      await replaceCopies(make);
      await cli.must('prune');
      await cli.must('rm', list);
      await cli.must('prune');
      expect((await readdir(cache)).map((name) => join(cache, name))).toEqual(copies);
    });
  });

  (process.platform === 'win32' ? test.skip : test)('a pipe gives way to the copy', async () => {
    await replaceCopies((path) => execFileSync('mkfifo', [path]));
    await cli.must('create', '--amend', list);
    for (const path of copies) expect((await lstat(path)).isFile()).toBe(true);
  });

  test('is reported if the blob would be written', async () => {
    await replaceCopies((path) => mkdir(path));
    const { code, stderr } = await cli.run(['create', '--amend', list]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/cannot write \S+\/sha256\/[0-9a-f]{64}: it is a folder \(EISDIR\)/);
    for (const path of copies) await rm(path, { recursive: true });
    await cli.must('create', '--amend', list);
  });
});

test('prune keeps the manifests and configs of drafts, and removes what no draft needs', async () => {
  const list = 'localhost:1/a:1';
  await cli.must('create', list, at('team/app:amd64'));
  const kept = await readdir(cache);
  await cli.must('create', 'localhost:1/a:2', at('team/app:arm64'));
  await cli.must('rm', 'localhost:1/a:2');
  const names = await readdir(cache);
  expect(names).toHaveLength(kept.length + 2);
  for (const name of names) await utimes(join(cache, name), 0, 0);
  await cli.must('prune');
  expect(await readdir(cache)).toEqual(kept);
  await cli.must('rm', list);
  await cli.must('prune');
  expect(await readdir(cache)).toEqual([]);
});
