import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { arch, execPath, version as nodeVersion } from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { version } from '../../src/version.ts';
import { temporaryFolder } from '../support/cli-harness.ts';

/** The code that V8 has compiled, which the program stores when a command has ended. */
const program = fileURLToPath(new URL('../../dist/cli/mlist.js', import.meta.url));
const compiled = join('mlist', 'compiled', `${nodeVersion}-${arch}`);

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

const storedFor = async (command: string) =>
  Object.keys(await filesIn(folder)).filter((name) => name.startsWith(`${command}.`));

(process.platform === 'linux' ? describe : describe.skip)('the code cache', () => {
  test('is written by the first start of a command, and read by the next ones', async () => {
    await run({ args: ['ls'] });
    const stored = await filesIn(folder);
    expect(Object.keys(stored)).toEqual(['ls.process.js.code']);
    await run({ args: ['ls'] });
    expect(await filesIn(folder)).toEqual(stored);
  });

  test('has other files for each command, and for options without a command', async () => {
    await run({ args: ['ls'] });
    await run({ args: ['prune'] });
    await run({ args: ['--help'] });
    expect(await storedFor('ls')).not.toEqual([]);
    expect(await storedFor('prune')).not.toEqual([]);
    expect(await storedFor('other')).not.toEqual([]);
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

  test.each([
    ['XDG_CACHE_HOME', 'cache'],
    ['NODE_COMPILE_CACHE', 'cache'],
  ])('is in the folder of %s', async (name, value) => {
    await run({ env: { [name]: join(home, value) } });
    expect(await readdir(home)).toEqual([value]);
    expect(await readdir(join(home, value, compiled))).not.toEqual([]);
  });

  test('is off with NODE_DISABLE_COMPILE_CACHE=1', async () => {
    expect(await run({ env: { NODE_DISABLE_COMPILE_CACHE: '1' } })).toBe(`${version}\n`);
    expect(await readdir(home)).toEqual([]);
  });

  test.each<readonly [string, (path: string) => Promise<void>]>([
    ['is empty', (path) => truncate(path)],
    ['is truncated', (path) => truncate(path, 100_000)],
    ['is of another build', async (path) => writeFile(path, `${await readFile(path, 'latin1')}0`, 'latin1')],
    ['has been rejected by V8', overwriteStart],
  ])('is replaced if it %s', async (_name, damage) => {
    await run();
    const [name = ''] = await readdir(folder);
    const { size } = await stat(join(folder, name));
    await damage(join(folder, name));
    const damaged = await filesIn(folder);
    expect(await run()).toBe(`${version}\n`);
    expect(await filesIn(folder)).not.toEqual(damaged);
    expect(Math.abs((await stat(join(folder, name))).size - size)).toBeLessThan(size / 10);
  });

  test('is not used for a file that has changed, even if it is as long as before', async () => {
    const copy = join(home, 'copy');
    await cp(dirname(program), copy, { recursive: true });
    const path = join(copy, basename(program));
    expect(await run({ path })).toBe(`${version}\n`);
    const changed = join(copy, 'process.js');
    const source = await readFile(changed, 'utf8');
    await writeFile(changed, source.replaceAll(`"${version}"`, '"9.9.9"'));
    expect(await run({ path })).toBe('9.9.9\n');
  });

  test.each<readonly [string, () => string, 'file' | 'folder']>([
    ['a file is in the place of its folder', () => folder, 'file'],
    ['a file is in the place of a parent', () => dirname(dirname(folder)), 'file'],
    ['a folder is in the place of a stored file', () => join(folder, 'other.process.js.code'), 'folder'],
  ])('is not written if %s', async (_name, path, kind) => {
    await mkdir(dirname(path()), { recursive: true });
    await (kind === 'file' ? writeFile(path(), '') : mkdir(path()));
    const before = Object.keys(await filesIn(home));
    expect(await run()).toBe(`${version}\n`);
    expect(Object.keys(await filesIn(home))).toEqual(before);
  });

  test('is complete if several commands write it at the same time', async () => {
    const results = await Promise.all(Array.from({ length: 8 }, () => run()));
    expect(new Set(results)).toEqual(new Set([`${version}\n`]));
    const stored = await filesIn(folder);
    expect(Object.keys(stored)).toEqual(['other.process.js.code']);
    await run();
    expect(await filesIn(folder)).toEqual(stored);
  });
});

/** V8 rejects code whose first bytes are not those that it writes. */
async function overwriteStart(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes.fill(0, 0, 4);
  await writeFile(path, bytes);
}
