import { execFileSync } from 'node:child_process';
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as zlib from 'node:zlib';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { TarFile } from '../../../src/store/archive/tar/tar-file.ts';
import { FileSink } from '../../../src/store/archive/tar/file-sink.ts';
import { TarWriter } from '../../../src/store/archive/tar/tar-writer.ts';
import { MlistError } from '../../../src/errors/errors.ts';
import { isLong, roundsOf } from '../../support/long.ts';
import { describeWith, runProgram } from '../../support/programs.ts';
import { bytesOf, chunksOf, withFolder } from '../samples.ts';
import { BLOCK, headerOf, memberBytes, pax, tarOf, type Member } from './tar-bytes.ts';
import { fc } from '../../support/seed.ts';

/** Opens an archive of these bytes. */
function opened<T>(bytes: Uint8Array, work: (tar: TarFile, path: string) => Promise<T>): Promise<T> {
  return withFolder(async (folder) => {
    const path = join(folder, 'some.tar');
    await writeFile(path, bytes);
    const tar = await TarFile.open(path);
    try {
      return await work(tar, path);
    } finally {
      await tar.close();
    }
  });
}

async function contentsOf(tar: TarFile): Promise<Record<string, string>> {
  const pairs: [string, string][] = [];
  for (const name of tar.names()) pairs.push([name, (await bytesOf(tar.stream(name))).toString('latin1')]);
  return Object.fromEntries(pairs);
}

const long = `${'folder/'.repeat(20)}file`;

function base256(value: bigint, first = 0x80): Buffer {
  const field = Buffer.alloc(12);
  field.writeBigUInt64BE(value, 4);
  field[0] = first;
  return field;
}

describe('what is read', () => {
  test.each<[string, readonly Member[], Record<string, string>]>([
    ['files of the v7 dialect', [{ name: 'a', content: 'x', magic: 'v7' }], { a: 'x' }],
    ['files of the ustar dialect', [{ name: 'b', prefix: 'a', content: 'x' }], { 'a/b': 'x' }],
    [
      'a GNU header with data in the field of the prefix',
      [{ name: 'b', prefix: 'a', content: 'x', magic: 'gnu' }],
      { b: 'x' },
    ],
    ['the old type flag of a file', [{ name: 'a', type: '\0', content: 'x' }], { a: 'x' }],
    ['the type flag of a contiguous file', [{ name: 'a', type: '7', content: 'x' }], { a: 'x' }],
    ['an old folder: a file whose name ends in a slash', [{ name: 'a/', type: '\0' }, { name: 'a/b' }], { 'a/b': '' }],
    [
      'names that begin with ./',
      [
        { name: './', type: '5' },
        { name: './a/./b//c', content: 'x' },
      ],
      { 'a/b/c': 'x' },
    ],
    ['duplicate folders', [{ name: 'a', type: '5' }, { name: 'a/', type: '5' }, { name: 'a/b' }], { 'a/b': '' }],
    [
      'GNU long names',
      [
        { name: 'n', type: 'L', content: `${long}\0` },
        { name: 'x', content: 'y' },
      ],
      { [long]: 'y' },
    ],
    ['pax names', [pax({ mtime: '1.5', path: long }), { name: 'x', content: 'y' }], { [long]: 'y' }],
    [
      'pax names before GNU ones',
      [{ name: 'n', type: 'L', content: 'gnu' }, pax({ path: 'pax' }), { name: 'x' }],
      { pax: '' },
    ],
    ['the last of two pax headers', [pax({ path: 'one' }), pax({ path: 'two' }), { name: 'x' }], { two: '' }],
    ['a pax header that unsets the name', [pax({ path: '' }), { name: 'own' }], { own: '' }],
    ['pax sizes', [pax({ size: '3' }), { name: 'a', content: 'xyz', size: 0 }], { a: 'xyz' }],
    ['sizes in base 256', [{ name: 'a', content: 'xyz', size: base256(3n) }], { a: 'xyz' }],
    ['global headers without a path or size', [pax({ comment: 'c' }, 'g'), { name: 'a' }], { a: '' }],
    ['volume labels, which are skipped', [{ name: 'label', type: 'V' }, { name: 'a' }], { a: '' }],
    [
      'hard links',
      [
        { name: 'd/a', content: 'x' },
        { name: 'e/b', type: '1', link: 'd/a' },
      ],
      { 'd/a': 'x', 'e/b': 'x' },
    ],
    [
      'symbolic links, before and behind what they lead to',
      [
        { name: 'd/b', type: '2', link: '../e/a' },
        { name: 'e/a', content: 'x' },
        { name: 'e/c', type: '2', link: './a' },
      ],
      { 'd/b': 'x', 'e/a': 'x', 'e/c': 'x' },
    ],
    [
      'links to links',
      [
        { name: 'a', type: '2', link: 'b' },
        { name: 'b', type: '1', link: 'c' },
        { name: 'c', content: 'x' },
      ],
      { a: 'x', b: 'x', c: 'x' },
    ],
    ['links without a target, which are skipped', [{ name: 'a', type: '2', link: 'b' }], {}],
    ['no files at all', [], {}],
  ])('%s', (_, members, expected) =>
    opened(tarOf(...members), async (tar) => {
      expect(await contentsOf(tar)).toEqual(expected);
    }),
  );

  test('the first bytes of a file', () =>
    opened(tarOf({ name: 'a', content: 'abcdef' }), async (tar) => {
      expect((await bytesOf(tar.stream('a', { first: 3 }))).toString()).toBe('abc');
      expect(await tar.bytes('a', 5).catch((error: unknown) => (error as MlistError).code)).toBe(
        'ERR_MLIST_DOCUMENT_INVALID',
      );
      expect(await tar.bytes('b', 5)).toBeUndefined();
    }));

  test('an archive without end blocks, as some tools write it', () =>
    opened(memberBytes({ name: 'a', content: 'x' }), async (tar) => {
      expect(await contentsOf(tar)).toEqual({ a: 'x' });
    }));

  test('nothing after the end blocks', () =>
    opened(Buffer.concat([tarOf({ name: 'a' }), Buffer.alloc(BLOCK, 0x61)]), (tar) => {
      expect([...tar.names()]).toEqual(['a']);
      return Promise.resolve();
    }));

  test('a gzip archive with one or several members, and removes the temporary file', () =>
    withFolder(async (folder) => {
      const before = process.env['TMPDIR'];
      process.env['TMPDIR'] = folder;
      try {
        const bytes = tarOf({ name: 'a', content: 'x'.repeat(2000) }, { name: 'b', content: 'y' });
        const parts = Buffer.concat([gzipSync(bytes.subarray(0, 700)), gzipSync(bytes.subarray(700))]);
        for (const [at, compressed] of [gzipSync(bytes), parts].entries()) {
          const path = join(folder, `${at}.tar.gz`);
          await writeFile(path, compressed);
          const tar = await TarFile.open(path);
          expect(tar.isCompressed).toBe(true);
          expect(await contentsOf(tar)).toEqual({ a: 'x'.repeat(2000), b: 'y' });
          await tar.close();
        }
        expect((await readdir(folder)).sort()).toEqual(['0.tar.gz', '1.tar.gz']);
      } finally {
        if (before === undefined) delete process.env['TMPDIR'];
        else process.env['TMPDIR'] = before;
      }
    }));

  test('with concurrent readers', () => {
    const members = Array.from({ length: 20 }, (_, at) => ({ name: `f${at}`, content: Buffer.alloc(300_000, at) }));
    return opened(tarOf(...members), async (tar) => {
      const all = await Promise.all(members.map(({ name }) => bytesOf(tar.stream(name))));
      expect(all.every((bytes, at) => bytes.equals(members[at]!.content))).toBe(true);
    });
  });
});

describe('refuses, with the file name and the reason,', () => {
  const cases: readonly [string, Uint8Array, RegExp][] = [
    ['an absolute name', tarOf({ name: '/etc/passwd' }), /absolute/],
    ['an absolute pax name', tarOf(pax({ path: '/etc/passwd' }), { name: 'a' }), /absolute/],
    ['a name outside the archive', tarOf({ name: '../a' }), /contains "\.\."/],
    ['a name with .. in the middle', tarOf({ name: 'blobs/../../a' }), /contains "\.\."/],
    ['a folder outside the archive', tarOf({ name: '..', type: '5' }), /contains "\.\."/],
    ['a name with .. that stays inside', tarOf({ name: 'a/../b' }), /contains "\.\."/],
    ['a prefix outside the archive', tarOf({ name: 'a', prefix: '..' }), /contains "\.\."/],
    ['a symbolic link outside the archive', tarOf({ name: 'd/a', type: '2', link: '../../b' }), /outside the archive/],
    ['an absolute symbolic link', tarOf({ name: 'a', type: '2', link: '/etc/passwd' }), /outside the archive/],
    ['a hard link outside the archive', tarOf({ name: 'd/a', type: '1', link: '../b' }), /outside the archive/],
    ['an absolute hard link', tarOf({ name: 'a', type: '1', link: '/etc/passwd' }), /outside the archive/],
    [
      'a GNU long link outside the archive',
      tarOf({ name: 'k', type: 'K', content: '../b' }, { name: 'a', type: '2' }),
      /outside/,
    ],
    ['a pax link outside the archive', tarOf(pax({ linkpath: '/b' }), { name: 'a', type: '2', link: 'b' }), /outside/],
    ['a link to itself', tarOf({ name: 'a', type: '2', link: 'a' }), /16 or more links/],
    [
      'a loop of links',
      tarOf({ name: 'a', type: '2', link: 'b' }, { name: 'b', type: '1', link: 'a' }),
      /16 or more links/,
    ],
    ['a file twice', tarOf({ name: 'a', content: 'x' }, { name: './a', content: 'y' }), /twice/],
    ['a file and a link with the same name', tarOf({ name: 'a' }, { name: 'a', type: '2', link: 'b' }), /twice/],
    ['a file and a folder with the same name', tarOf({ name: 'a' }, { name: 'a', type: '5' }), /twice/],
    ['a folder and a file with the same name', tarOf({ name: 'a', type: '5' }, { name: 'a' }), /twice/],
    ['a character device', tarOf({ name: 'a', type: '3' }), /character device/],
    ['a block device', tarOf({ name: 'a', type: '4' }), /block device/],
    ['a named pipe', tarOf({ name: 'a', type: '6' }), /named pipe/],
    ['a sparse file of GNU', tarOf({ name: 'a', type: 'S' }), /sparse/],
    ['a sparse file of pax', tarOf(pax({ 'GNU.sparse.major': '1' }), { name: 'a' }), /sparse/],
    ['an unknown type', tarOf({ name: 'a', type: 'Z' }), /unknown type "Z"/],
    ['a link with content', tarOf({ name: 'a', type: '2', link: 'b', content: 'x' }), /states a size/],
    ['a folder with content', tarOf({ name: 'a', type: '5', content: 'x' }), /states a size/],
    ['a negative size', tarOf({ name: 'a', size: Buffer.alloc(12, 0xff) }), /negative or too large/],
    ['a size that is too large', tarOf({ name: 'a', size: base256(1n << 60n) }), /negative or too large/],
    ['a size that is not a number', tarOf({ name: 'a', size: Buffer.from('12x        \0') }), /not a number/],
    ['a size beyond the file', tarOf({ name: 'a', size: 100_000 }), /truncated/],
    ['a pax size beyond the file', tarOf(pax({ size: '100000' }), { name: 'a' }), /truncated/],
    ['a pax size that is not a number', tarOf(pax({ size: '1e3' }), { name: 'a' }), /invalid size/],
    ['a pax size that is not a safe integer', tarOf(pax({ size: '9007199254740993' }), { name: 'a' }), /invalid size/],
    ['a pax header without a record', tarOf({ name: 'p', type: 'x', content: 'hello' }, { name: 'a' }), /damaged/],
    ['a pax record that is too long', tarOf({ name: 'p', type: 'x', content: '99 a=b\n' }, { name: 'a' }), /damaged/],
    [
      'a pax record without an equals sign',
      tarOf({ name: 'p', type: 'x', content: '5 ab\n' }, { name: 'a' }),
      /damaged/,
    ],
    ['a pax record of length 0', tarOf({ name: 'p', type: 'x', content: '0 a=b\n' }, { name: 'a' }), /damaged/],
    ['a pax name with a NUL', tarOf(pax({ path: 'a\0b' }), { name: 'a' }), /NUL/],
    [
      'an oversized pax header',
      Buffer.concat([headerOf({ name: 'p', type: 'x', size: 2 ** 21 }), Buffer.alloc(2 ** 22)]),
      /an extension header has 2097152 bytes/,
    ],
    ['a global header with a path', tarOf(pax({ path: 'a' }, 'g'), { name: 'b' }), /link target or size of all files/],
    ['an extension header at the end', tarOf(pax({ path: 'a' })), /after an extension header/],
    ['a wrong checksum', tarOf({ name: 'a', damage: (header) => header.write('b', 0) }), /checksum/],
    ['an invalid checksum', tarOf({ name: 'a', damage: (header) => header.fill(0xff, 148, 156) }), /checksum/],
    ['a text', Buffer.from('hello, world\n'.repeat(100)), /checksum/],
    ['a file shorter than a block', Buffer.from('hello'), /truncated/],
    ['random bytes after a file', Buffer.concat([memberBytes({ name: 'a' }), Buffer.alloc(BLOCK, 7)]), /checksum/],
    ['truncated gzip', gzipSync(tarOf({ name: 'a' })).subarray(0, 40), /truncated/],
    ['damaged gzip', Buffer.concat([gzipSync('x').subarray(0, 10), Buffer.alloc(40, 0xfe)]), /damaged/],
    ['gzip of a text', gzipSync('hello'), /truncated/],
    ['gzip that is compressed again', gzipSync(gzipSync(tarOf({ name: 'a' }))), /compressed twice: .* with gzip/],
    ['xz', Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 0]), /xz/],
    ['bzip2', Buffer.from('BZh91AY&SY'), /bzip2/],
  ];

  test.each(cases)('%s', async (_, bytes, reason) => {
    await withFolder(async (folder) => {
      const path = join(folder, 'some.tar');
      await writeFile(path, bytes);
      const error = await TarFile.open(path).then(
        () => undefined,
        (thrown: unknown) => thrown as MlistError,
      );
      expect(error).toBeInstanceOf(MlistError);
      expect(error).toMatchObject({ code: 'ERR_MLIST_DOCUMENT_INVALID', facts: { path } });
      expect(error?.message).toContain(path);
      expect(error?.message).toMatch(reason);
      expect(await readdir(folder)).toEqual(['some.tar']);
    });
  });

  test('zstd is read where Node supports it', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'some.tar.zst');
      const { zstdCompressSync } = zlib as { readonly zstdCompressSync?: (bytes: Uint8Array) => Uint8Array };
      const bytes = tarOf({ name: 'a', content: 'x' });
      await writeFile(path, zstdCompressSync?.(bytes) ?? Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0]));
      const opening = TarFile.open(path);
      if (zstdCompressSync === undefined) {
        await expect(opening).rejects.toMatchObject({ code: 'ERR_MLIST_USAGE', facts: { path } });
        await expect(opening).rejects.toThrow(/compressed with zstd, which needs Node 22.15 or newer/);
      } else {
        const tar = await opening;
        expect(await contentsOf(tar)).toEqual({ a: 'x' });
        await tar.close();
      }
    }));

  (isLong ? test : test.skip)('refuses gzip with a too high compression ratio', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'bomb.tar');
      const small = gzipSync(Buffer.alloc(64 * 1024 * 1024));
      await writeFile(path, Buffer.concat(Array.from({ length: 40 }, () => small)));
      await expect(TarFile.open(path)).rejects.toThrow(/decompresses to more than/);
    }),
  );

  (isLong ? test : test.skip)('refuses more than 200 000 files', async () => {
    const one = memberBytes({ name: 'f0000000' });
    const checksum = Number.parseInt(one.toString('latin1', 148, 154), 8);
    const many = Buffer.alloc(200_002 * BLOCK);
    for (let at = 0; at < 200_001; at += 1) {
      let sum = checksum;
      for (let rest = at; rest > 0; rest = (rest - (rest % 10)) / 10) sum += rest % 10;
      one.write(`${at}`.padStart(7, '0'), 1);
      one.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
      one.copy(many, at * BLOCK);
    }
    await expect(opened(many, () => Promise.resolve())).rejects.toThrow(/more than 200000 files/);
  });

  test('refuses a missing file, a folder, a device and a pipe', () =>
    withFolder(async (folder) => {
      await expect(TarFile.open(join(folder, 'none'))).rejects.toMatchObject({ code: 'ERR_MLIST_NOT_FOUND' });
      await expect(TarFile.open(folder)).rejects.toMatchObject({ code: 'ERR_MLIST_DOCUMENT_INVALID' });
      if (process.platform === 'win32') return;
      await symlink('/dev/zero', join(folder, 'zero'));
      await expect(TarFile.open(join(folder, 'zero'))).rejects.toThrow(/not a regular file/);
      execFileSync('mkfifo', [join(folder, 'pipe')]);
      await expect(TarFile.open(join(folder, 'pipe'))).rejects.toThrow(/not a regular file/);
    }));
});

test('refuses an archive that is truncated anywhere before its end', () =>
  withFolder(async (folder) => {
    const whole = tarOf(pax({ path: 'long' }), { name: 'a', content: 'x'.repeat(600) }, { name: 'b', content: 'y' });
    const path = join(folder, 'cut.tar');
    for (let length = 0; length < whole.length; length += 37) {
      await writeFile(path, whole.subarray(0, length));
      const names = await TarFile.open(path).then(
        async (tar) => {
          const found = await contentsOf(tar);
          await tar.close();
          return found;
        },
        (error: unknown) => (error as MlistError).code,
      );
      if (typeof names === 'string') expect(names).toBe('ERR_MLIST_DOCUMENT_INVALID');
      else
        for (const [name, content] of Object.entries(names))
          expect(content).toBe(name === 'long' ? 'x'.repeat(600) : 'y');
    }
  }));

test('random damage causes at most an MlistError', () =>
  withFolder(async (folder) => {
    const whole = tarOf(pax({ path: long }), { name: 'a', content: 'x' }, { name: 'b', type: '2', link: 'a' });
    const path = join(folder, 'random.tar');
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 6 }),
        async (changes) => {
          const bytes = Buffer.from(whole);
          for (const [at, value] of changes) bytes[at] = value;
          await writeFile(path, bytes);
          const error = await TarFile.open(path).then(
            (tar) => tar.close(),
            (thrown: unknown) => thrown as MlistError,
          );
          expect(error === undefined || error instanceof MlistError).toBe(true);
        },
      ),
      { numRuns: roundsOf(100, 300) },
    );
  }));

const path = fc
  .array(fc.stringMatching(/^[A-Za-z0-9_äπ-]{1,60}$/), { minLength: 1, maxLength: 5 })
  .map((parts) => parts.join('/'));
const files = fc
  .uniqueArray(fc.tuple(path, fc.uint8Array({ maxLength: 3000 })), { selector: ([name]) => name, maxLength: 12 })
  .filter((all) => all.every(([name]) => !all.some(([other]) => other.startsWith(`${name}/`))));

test('what is written is read back', () =>
  withFolder(async (folder) => {
    await fc.assert(
      fc.asyncProperty(files, async (all) => {
        const file = join(folder, 'written.tar');
        const writer = new TarWriter(await FileSink.create(file));
        for (const [name, bytes] of all) await writer.add(name, bytes.length, chunksOf(bytes, 700));
        await writer.finish();
        const tar = await TarFile.open(file);
        expect([...tar.names()]).toEqual(all.map(([name]) => name));
        for (const [name, bytes] of all) expect(await bytesOf(tar.stream(name))).toEqual(Buffer.from(bytes));
        await tar.close();
      }),
      { numRuns: roundsOf(20, 60) },
    );
    expect(await readdir(folder)).toEqual(['written.tar']);
  }));

describeWith('tar', 'tar(1)', () => {
  test('lists an archive of mlist, with names of any length', () =>
    withFolder(async (folder) => {
      const file = join(folder, 'written.tar');
      const writer = new TarWriter(await FileSink.create(file));
      const names = ['a', `blobs/sha512/${'f'.repeat(128)}`, `${'d/'.repeat(60)}end`];
      for (const name of names) await writer.addBytes(name, Buffer.from(name));
      await writer.finish();
      expect((await runProgram('tar', '-tf', file)).trim().split('\n')).toEqual(names);
      expect(await runProgram('tar', '-tvf', file, '--utc', 'a')).toMatch(/^-rw-r--r-- 0\/0\s+1 1970-01-01 00:00 a$/m);
      await runProgram('tar', '-xf', file, '-C', folder);
    }));

  test.each(['v7', 'oldgnu', 'gnu', 'ustar', 'posix'])('writes the dialect %s, which is read', (format) =>
    withFolder(async (folder) => {
      const tree = join(folder, 'tree');
      const deep = format === 'v7' || format === 'ustar' ? 'sub' : 'sub/'.repeat(50).slice(0, -1);
      await mkdir(join(tree, deep), { recursive: true });
      await writeFile(join(tree, 'a'), 'first');
      await writeFile(join(tree, deep, 'b'), 'second');
      if (process.platform !== 'win32') await symlink('a', join(tree, 'c'));
      const file = join(folder, 'theirs.tar');
      await runProgram('tar', `--format=${format}`, '-C', tree, '-cf', file, '.');
      const tar = await TarFile.open(file);
      expect(await contentsOf(tar)).toMatchObject({ a: 'first', [`${deep}/b`]: 'second' });
      await tar.close();
    }),
  );
});
