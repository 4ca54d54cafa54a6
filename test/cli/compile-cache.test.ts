import { execFile } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import module from 'node:module';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { version } from '../../src/version.ts';
import { temporaryFolder } from '../support/cli-harness.ts';

const program = fileURLToPath(new URL('../../dist/cli/mlist.js', import.meta.url));
const hasCompileCache = 'enableCompileCache' in module;

async function versionWith(cacheFolder: string): Promise<string> {
  const env = { PATH: process.env['PATH'], XDG_CACHE_HOME: cacheFolder };
  const options = { env, timeout: 30_000, killSignal: 'SIGKILL' } as const;
  return (await promisify(execFile)(execPath, [program, '--version'], options)).stdout;
}

test("stores compiled code in the user's cache folder, except on Node 20", async () => {
  const cache = await temporaryFolder();
  expect(await versionWith(cache)).toBe(`${version}\n`);
  // The second start reads the cache.
  expect(await versionWith(cache)).toBe(`${version}\n`);
  const stored = await readdir(cache, { recursive: true });
  expect(stored.length > 2).toBe(hasCompileCache);
  expect(stored.every((path) => path === 'mlist' || path.startsWith(join('mlist', 'compiled')))).toBe(true);
});

test('ignores a cache folder that cannot be created', async () => {
  const file = join(await temporaryFolder(), 'file');
  await writeFile(file, '');
  expect(await versionWith(file)).toBe(`${version}\n`);
});
