import { execFile } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import module from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { version } from '../../src/index.ts';
import { temporaryFolder } from '../support/world.ts';

/** The engine keeps what it has compiled of the program, where it can: Node 22 and newer. */

const program = fileURLToPath(new URL('../../dist/cli/mlist.js', import.meta.url));
const run = promisify(execFile);

async function versionWith(cache: string): Promise<string> {
  const env = { PATH: process.env['PATH'], XDG_CACHE_HOME: cache };
  return (await run(process.execPath, [program, '--version'], { env })).stdout;
}

test("compiled code lies in the user's folder for what may be lost, and nowhere with an older Node", async () => {
  const cache = await temporaryFolder();
  expect(await versionWith(cache)).toBe(`${version}\n`);
  // With what the first has kept.
  expect(await versionWith(cache)).toBe(`${version}\n`);
  const canKeep = 'enableCompileCache' in module;
  const kept = await readdir(cache, { recursive: true });
  expect(kept.length > 2).toBe(canKeep);
  expect(kept.every((path) => path === 'mlist' || path.startsWith(join('mlist', 'compiled')))).toBe(true);
});

test('a folder that cannot be made is no hindrance', async () => {
  const file = join(await temporaryFolder(), 'file');
  await writeFile(file, '');
  expect(await versionWith(file)).toBe(`${version}\n`);
});
