import { execFile, execFileSync } from 'node:child_process';
import {
  chmod,
  chown,
  cp,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { arch, execPath, version as nodeVersion } from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { version } from '../../src/version.ts';
import { temporaryFolder } from '../support/cli-harness.ts';

const program = fileURLToPath(new URL('../../dist/cli/mlist.js', import.meta.url));

/** The folder of the stored code, below the cache folder. */
const compiled = join('mlist', 'compiled', `${nodeVersion}-${arch}`);

const isRoot = process.getuid?.() === 0;

interface Run {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly path?: string;
}

let home: string;
let folder: string;
beforeEach(async () => {
  home = await temporaryFolder();
  folder = join(home, '.cache', compiled);
});

async function run({ args = ['--version'], env = {}, path = program }: Run = {}): Promise<string> {
  const options = {
    cwd: home,
    env: { PATH: process.env['PATH'], HOME: home, LOCALAPPDATA: home, MLIST_NO_MIRRORS: '1', ...env },
    timeout: 30_000,
    killSignal: 'SIGKILL',
  } as const;
  return (await promisify(execFile)(execPath, [path, ...args], options)).stdout;
}

/** The paths of all files in a folder, and what changes if they are written again. */
async function filesIn(path: string): Promise<Readonly<Record<string, string>>> {
  const names = await readdir(path, { recursive: true });
  const described = names.map(async (name) => {
    const { ino, mtimeMs, size } = await stat(join(path, name));
    return [name, `${ino} ${mtimeMs} ${size}`] as const;
  });
  return Object.fromEntries(await Promise.all(described));
}

const fileOf = (command: string) => `${command}.process.js.code`;

(process.platform === 'linux' ? describe : describe.skip)('the code cache', () => {
  test('is written by the first start of a command, and read by the next ones', async () => {
    await run({ args: ['ls'] });
    const stored = await filesIn(folder);
    expect(Object.keys(stored)).toEqual([fileOf('ls')]);
    await run({ args: ['ls'] });
    expect(await filesIn(folder)).toEqual(stored);
  });

  test('has other files for each command, and for options without a command', async () => {
    await run({ args: ['ls'] });
    await run({ args: ['prune'] });
    await run({ args: ['--help'] });
    const stored = await filesIn(folder);
    expect(Object.keys(stored)).toEqual(expect.arrayContaining(['ls', 'prune', 'other'].map(fileOf)));
    // The code contains the functions that the command has called.
    const sizes = ['ls', 'prune', 'other'].map((command) => stored[fileOf(command)]?.split(' ').at(-1));
    expect(new Set(sizes).size).toBe(3);
  });

  test.each([
    ['the help of a command', ['ls', '--help'], fileOf('other')],
    ['a command that docker calls', ['mlist', 'ls'], fileOf('ls')],
    ['a completion call', ['--complete', 'l'], fileOf('completion')],
  ])('has its own files for %s', async (_name, args, expected) => {
    await run({ args });
    expect(Object.keys(await filesIn(folder))).toContain(expected);
  });

  test('is written again, with all files, if one is missing', async () => {
    await run({ args: ['version'] });
    const stored = await filesIn(folder);
    expect(Object.keys(stored).sort()).toEqual(['version.commands.js.code', 'version.process.js.code']);
    await rm(join(folder, 'version.commands.js.code'));
    await run({ args: ['version'] });
    const written = await filesIn(folder);
    expect(Object.keys(written)).toHaveLength(2);
    for (const name of Object.keys(stored)) expect(written[name]).not.toBe(stored[name]);
  });

  test.each([
    ['a path', '../../../ls'],
    ['an unknown command', 'unknown'],
    ['an upper-case name', 'LS'],
    ['a long name', 'l'.repeat(300)],
  ])('stores nothing for %s', async (_name, argument) => {
    await expect(run({ args: [argument] })).rejects.toMatchObject({ code: 2 });
    expect(await readdir(home)).toEqual([]);
  });

  test('is not written by a command that fails', async () => {
    await expect(run({ args: ['rm', 'localhost:1/a:1'] })).rejects.toMatchObject({ code: 4 });
    expect(await readdir(home)).not.toContain('.cache');
  });

  test('is only readable for the user', async () => {
    await run();
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    for (const name of await readdir(folder)) expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
  });

  test.each(['XDG_CACHE_HOME', 'NODE_COMPILE_CACHE'])('is in the folder of %s', async (name) => {
    await run({ env: { [name]: join(home, 'cache') } });
    expect(await readdir(home)).toEqual(['cache']);
    expect(await readdir(join(home, 'cache', compiled))).not.toEqual([]);
  });

  test('is off if the cache folder is relative, because an untrusted repository could contain it', async () => {
    expect(await run({ env: { XDG_CACHE_HOME: 'cache' } })).toBe(`${version}\n`);
    expect(await readdir(home)).toEqual([]);
  });

  test.each<readonly [string, (path: string) => Promise<unknown>]>([
    ['is accessible to others', (path) => chmod(path, 0o755)],
    [
      'is a link',
      async (path) => {
        await rename(path, `${path}-moved`);
        await symlink(`${path}-moved`, path);
      },
    ],
    ...(isRoot ? [['belongs to another user', (path: string) => chown(path, 12_345, 12_345)] as const] : []),
  ])('is off if its folder %s', async (_name, change) => {
    await run();
    const path = join(home, '.cache', 'mlist');
    await change(path);
    await rm(join(folder, fileOf('other')));
    expect(await run()).toBe(`${version}\n`);
    expect(await readdir(folder)).toEqual([]);
  });

  (isRoot ? test : test.skip)('is not created by root in the home folder of another user', async () => {
    await chown(home, 12_345, 12_345);
    expect(await run()).toBe(`${version}\n`);
    expect(await readdir(home)).toEqual([]);
  });

  test('removes what processes that were killed have left', async () => {
    await run();
    const leftover = (at: number) => join(folder, `${fileOf('ls')}.${'0'.repeat(15)}${at}`);
    for (const at of [1, 2]) await writeFile(leftover(at), '');
    await utimes(leftover(1), 0, 0);
    await run({ args: ['ls'] });
    expect((await readdir(folder)).sort()).toEqual([fileOf('ls'), basename(leftover(2)), fileOf('other')]);
  });

  test('is not read from a pipe', async () => {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    execFileSync('mkfifo', [join(folder, fileOf('other'))]);
    expect(await run()).toBe(`${version}\n`);
    expect((await stat(join(folder, fileOf('other')))).isFile()).toBe(true);
  });

  (isRoot ? test : test.skip)('is not read from a file of another user', async () => {
    await run();
    const path = join(folder, fileOf('other'));
    await chown(path, 12_345, 12_345);
    expect(await run()).toBe(`${version}\n`);
    expect((await stat(path)).uid).toBe(0);
  });

  test('is off with NODE_DISABLE_COMPILE_CACHE=1', async () => {
    expect(await run({ env: { NODE_DISABLE_COMPILE_CACHE: '1' } })).toBe(`${version}\n`);
    expect(await readdir(home)).toEqual([]);
  });

  test.each<readonly [string, (bytes: Buffer) => Uint8Array]>([
    ['is empty', () => Buffer.alloc(0)],
    ['is too short for a checksum', (bytes) => bytes.subarray(0, 3)],
    ['is truncated', (bytes) => bytes.subarray(0, 100_000)],
    ['is longer than it was', (bytes) => Buffer.concat([bytes, Buffer.alloc(1)])],
    ['has another byte in its code', (bytes) => bytes.fill(bytes[5000]! ^ 1, 5000, 5001)],
    ['has only zeros', (bytes) => Buffer.alloc(bytes.length)],
  ])('is replaced if a stored file %s', async (_name, damage) => {
    await run();
    const path = join(folder, fileOf('other'));
    const bytes = await readFile(path);
    await writeFile(path, damage(Buffer.from(bytes)));
    expect(await run()).toBe(`${version}\n`);
    const replaced = await filesIn(folder);
    // About as long as before.
    expect(Math.abs((await stat(path)).size - bytes.length)).toBeLessThan(bytes.length / 10);
    await run();
    expect(await filesIn(folder)).toEqual(replaced);
  });

  test('is replaced if V8 rejects the code, because it runs with other flags', async () => {
    await run();
    const stored = await filesIn(folder);
    expect(await run({ env: { NODE_OPTIONS: '--stack-trace-limit=20' } })).toBe(`${version}\n`);
    expect(await filesIn(folder)).not.toEqual(stored);
  });

  test('is not used for a file that has changed, even if it is as long as before', async () => {
    const copy = join(home, 'copy');
    await cp(dirname(program), copy, { recursive: true });
    const path = join(copy, basename(program));
    expect(await run({ path })).toBe(`${version}\n`);
    const changed = join(copy, 'process.js');
    const other = version.replaceAll(/\d/g, '9');
    const { atime, mtime } = await stat(changed);
    const source = await readFile(changed, 'utf8');
    await writeFile(changed, source.replaceAll(`"${version}"`, `"${other}"`));
    await utimes(changed, atime, mtime);
    expect(await run({ path })).toBe(`${other}\n`);
  });

  test.each<readonly [string, () => string, 'file' | 'folder']>([
    ['a file is in the place of its folder', () => folder, 'file'],
    ['a file is in the place of a parent', () => dirname(dirname(folder)), 'file'],
    ['a folder is in the place of a stored file', () => join(folder, fileOf('other')), 'folder'],
  ])('is not written if %s', async (_name, path, kind) => {
    await mkdir(dirname(path()), { recursive: true, mode: 0o700 });
    await (kind === 'file' ? writeFile(path(), '') : mkdir(path()));
    const before = Object.keys(await filesIn(home));
    expect(await run()).toBe(`${version}\n`);
    expect(Object.keys(await filesIn(home))).toEqual(before);
  });

  test('is not written if the system reports a missing parent that exists', async () => {
    expect(await run({ env: { XDG_CACHE_HOME: '/proc/cache' } })).toBe(`${version}\n`);
  });

  test('is complete if several commands write it at the same time', async () => {
    const results = await Promise.all(Array.from({ length: 8 }, () => run()));
    expect(new Set(results)).toEqual(new Set([`${version}\n`]));
    const stored = await filesIn(folder);
    expect(Object.keys(stored)).toEqual([fileOf('other')]);
    await run();
    expect(await filesIn(folder)).toEqual(stored);
  });
});
