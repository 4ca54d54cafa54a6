import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/index.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { temporaryFolder } from '../support/world.ts';

const program = fileURLToPath(new URL('../../dist/cli/mlist.js', import.meta.url));

/** A disk that is full where the result goes, and nobody who listens to what is said beside it. */
(existsSync('/dev/full') ? describe : describe.skip)('output that cannot be written', () => {
  let registry: RunningRegistry;
  let folder: string;
  beforeAll(async () => {
    [registry, folder] = await Promise.all([startRegistry(), temporaryFolder()]);
    await pushImage(registry.url, 'app', 'v1', makeImage());
  });
  afterAll(() => registry.close());

  async function run(
    full: 'stdout' | 'stderr',
    args: readonly string[],
  ): Promise<{ code: number | null; text: string }> {
    const device = await open('/dev/full', 'w');
    const child = spawn(process.execPath, [program, ...args], {
      env: { PATH: process.env['PATH'], NO_COLOR: '1', MLIST_WORKSPACE: join(folder, 'workspace') },
      stdio: full === 'stdout' ? ['ignore', device.fd, 'pipe'] : ['ignore', 'pipe', device.fd],
    });
    const chunks: Buffer[] = [];
    (full === 'stdout' ? child.stderr : child.stdout)?.on('data', (chunk: Buffer) => chunks.push(chunk));
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    await device.close();
    return { code, text: Buffer.concat(chunks).toString() };
  }

  test.each([
    ['a line', ['digest', 'REF']],
    ['a document', ['tags', 'REPO', '--json']],
    ['exact bytes', ['inspect', 'REF', '--raw']],
    ['YAML', ['export', 'REF']],
    ['help', ['--help']],
  ])('%s, of stdout: told in words, with the exit code of a file', async (_name, args) => {
    const named = args.map((arg) => ({ REF: `${registry.host}/app:v1`, REPO: `${registry.host}/app` })[arg] ?? arg);
    const { code, text } = await run('stdout', named);
    expect(code).toBe(1);
    expect(text).toContain('cannot write stdout: the disk is full (ENOSPC)');
    expect(text).not.toMatch(/^ +at /m);
  });

  test.each([
    [0, 'v1', 'v2'],
    [4, 'nothing', 'v3'],
  ])('of stderr: the work goes on, and ends with %d', async (code, from, to) => {
    const args = ['copy', `${registry.host}/app:${from}`, `${registry.host}/app:${to}`];
    expect(await run('stderr', args)).toMatchObject({ code });
  });
});
