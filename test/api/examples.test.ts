import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { makeImage, pushImage } from '../support/images.ts';

/** Runs docs/examples against the built library, which they import by its package name. */
const examples = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'docs', 'examples');

let registry: RunningRegistry;
beforeAll(async () => {
  registry = await startRegistry();
  for (const architecture of ['amd64', 'arm64']) {
    const image = makeImage({ salt: `example-${architecture}`, platform: { os: 'linux', architecture } });
    await pushImage(registry.url, 'team/app', architecture, image);
  }
});
afterAll(() => registry.close());

async function run(...args: readonly string[]): Promise<string> {
  const env = { PATH: process.env['PATH'] };
  const { stdout } = await promisify(execFile)(execPath, args, { cwd: examples, env, timeout: 60_000 });
  return stdout;
}

const at = (name: string) => `${registry.host}/team/app:${name}`;

test('push-index.js pushes an index', async () => {
  expect(await run('push-index.js', at('1.0'), at('amd64'), at('arm64'))).toMatch(/^sha256:[0-9a-f]{64}\n$/);
});

test('progress.js reports manifests, blobs and the tag', async () => {
  await run('push-index.js', at('2.0'), at('amd64'), at('arm64'));
  const lines = (await run('progress.js', at('2.0'), `${registry.host}/copies/app:2.0`)).trimEnd().split('\n');
  expect(lines.filter((line) => line.startsWith('manifest'))).toHaveLength(2);
  expect(lines).toContain(`tag      ${registry.host}/copies/app:2.0`);
  expect(lines.at(-1)).toMatch(/^\d+ bytes uploaded$/);
});

test('faults.test.js passes', async () => {
  expect(await run('--test', 'faults.test.js')).toMatch(/pass 2/);
});
