import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import module from 'node:module';
import { join } from 'node:path';
import { arch, execPath, platform, version as nodeVersion } from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Script } from 'node:vm';
import { beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startRegistry, version } from '../../src/index.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { temporaryFolder } from '../support/world.ts';

/** What the engine makes of the program is kept, by the build and by the engine: never more than a quicker start. */
const built = fileURLToPath(new URL('../../dist/cli', import.meta.url));
const run = promisify(execFile);
const ofThisNode = `${nodeVersion}-${platform}-${arch}`;
const canKeep = 'enableCompileCache' in module;

async function versionWith(program: string, cache: string, ...flags: readonly string[]): Promise<string> {
  const env = { PATH: process.env['PATH'], XDG_CACHE_HOME: cache };
  // A start that hangs is to fail, and not to outlive the test.
  const options = { env, timeout: 30_000, killSignal: 'SIGKILL' } as const;
  return (await run(execPath, [...flags, join(program, 'mlist.js'), '--version'], options)).stdout;
}

/** A copy of the built program, to change. */
let program: string;
let ahead: string;
beforeEach(async () => {
  program = join(await temporaryFolder(), 'cli');
  await cp(built, program, { recursive: true });
  ahead = join(program, 'ahead');
});

let parts: readonly string[];
beforeAll(async () => {
  parts = await readdir(join(built, 'ahead', ofThisNode));
});
/** `program` is what every start loads. */
const partOf = (name: string) => parts.find((part) => part.startsWith(`${name}-`))!;

async function inPlaceOf(part: string, make: (path: string) => Promise<unknown>): Promise<void> {
  const path = join(ahead, ofThisNode, part);
  await rm(path);
  await make(path);
}

describe('compiled by the build', () => {
  test('is what each start with a registry loads', () => {
    const names = parts.map((part) => part.replace(/-[0-9A-Z]{8}$/, ''));
    expect(names.sort()).toEqual(['commands-with-registries', 'open-homes', 'program']);
  });

  test('is what the engine takes', async () => {
    for (const part of parts) {
      const text = await readFile(join(built, 'parts', `${part}.js`), 'utf8');
      const cachedData = await readFile(join(built, 'ahead', ofThisNode, part));
      expect(new Script(module.wrap(text), { cachedData }).cachedDataRejected).toBe(false);
    }
  });

  test('serves a command that asks a registry, and nothing is kept elsewhere', async () => {
    const registry = await startRegistry();
    const image = makeImage({ salt: 'ahead' });
    await pushImage(registry.url, 'team/app', 'v1', image);
    const home = await temporaryFolder();
    const env = { PATH: process.env['PATH'], HOME: home, XDG_CACHE_HOME: join(home, 'cache') };
    const { stdout } = await run(execPath, [join(program, 'mlist.js'), 'digest', `${registry.host}/team/app:v1`], {
      env,
    });
    await registry.close();
    expect(stdout).toBe(`${image.digest}\n`);
    expect(await readdir(home)).toEqual([]);
  });

  test.each<[string, () => Promise<unknown>, ...string[]]>([
    ['under other flags', () => Promise.resolve(), '--no-lazy'],
    ['of another Node', () => rename(join(ahead, ofThisNode), join(ahead, 'v1.2.3-linux-x64'))],
    ['that was lost', () => rm(ahead, { recursive: true })],
    ['of which one part was lost', () => rm(join(ahead, ofThisNode, partOf('program')))],
    ['cut short', () => Promise.all(parts.map((part) => truncate(join(ahead, ofThisNode, part), 5000)))],
    ['empty', () => Promise.all(parts.map((part) => truncate(join(ahead, ofThisNode, part), 0)))],
    ['of which a part is a folder', () => inPlaceOf(partOf('program'), (path) => mkdir(path))],
    ['of which a part is a pipe', () => inPlaceOf(partOf('program'), (path) => run('mkfifo', [path]))],
    ['of which a part leads in a circle', () => inPlaceOf(partOf('program'), (path) => symlink(path, path))],
    ['that is a file', async () => [await rm(ahead, { recursive: true }), await writeFile(ahead, '')]],
    [
      'of another part',
      async () =>
        writeFile(
          join(ahead, ofThisNode, partOf('program')),
          await readFile(join(ahead, ofThisNode, partOf('open-homes'))),
        ),
    ],
  ])('%s is no hindrance', async (_, change, ...flags) => {
    await change();
    expect(await versionWith(program, await temporaryFolder(), ...flags)).toBe(`${version}\n`);
  });
});

describe('kept by the engine where the build has nothing for it', () => {
  beforeEach(() => rm(ahead, { recursive: true }));

  test("lies in the user's folder for what may be lost, and nowhere with an older Node", async () => {
    const cache = await temporaryFolder();
    expect(await versionWith(program, cache)).toBe(`${version}\n`);
    // With what the first has kept.
    expect(await versionWith(program, cache)).toBe(`${version}\n`);
    const kept = await readdir(cache, { recursive: true });
    expect(kept.length > 2).toBe(canKeep);
    expect(kept.every((path) => path === 'mlist' || path.startsWith(join('mlist', 'compiled')))).toBe(true);
  });

  test('a folder that cannot be made is no hindrance', async () => {
    const file = join(await temporaryFolder(), 'file');
    await writeFile(file, '');
    expect(await versionWith(program, file)).toBe(`${version}\n`);
  });
});
