import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { getManifest, makeImage, pushImage } from '../support/images.ts';
import { casesOf } from '../support/long.ts';
import { programCommand, runMlist } from '../support/mlist.ts';
import { temporaryFolder } from '../support/cli-harness.ts';

const [program, ...first] = programCommand();

/** Output to a full disk, and a closed stderr. */
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
    const child = spawn(program, [...first, ...args], {
      env: { PATH: process.env['PATH'], NO_COLOR: '1', MLIST_WORKSPACE: join(folder, 'workspace') },
      stdio: full === 'stdout' ? ['ignore', device.fd, 'pipe'] : ['ignore', 'pipe', device.fd],
    });
    const chunks: Buffer[] = [];
    (full === 'stdout' ? child.stderr : child.stdout)?.on('data', (chunk: Buffer) => chunks.push(chunk));
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    await device.close();
    return { code, text: Buffer.concat(chunks).toString() };
  }

  const outputs: readonly (readonly [string, readonly string[]])[] = [
    ['a line', ['digest', 'REF']],
    ['a document', ['tags', 'REPO', '--json']],
    ['exact bytes', ['inspect', 'REF', '--raw']],
    ['YAML', ['export', 'REF']],
    ['help', ['--help']],
  ];
  test.each(casesOf(outputs, 3))('%s on stdout: reports the error, with exit code 1', async (_name, args) => {
    const named = args.map((arg) => ({ REF: `${registry.host}/app:v1`, REPO: `${registry.host}/app` })[arg] ?? arg);
    const { code, text } = await run('stdout', named);
    expect(code).toBe(1);
    expect(text).toContain('cannot write stdout: the disk is full (ENOSPC)');
    expect(text).not.toMatch(/^ +at /m);
  });

  test('on stdout: push completes, and writes its digest file', async () => {
    const list = `${registry.host}/app:list`;
    await runMlist(['create', list, `${registry.host}/app:v1`], { MLIST_WORKSPACE: join(folder, 'workspace') });
    const { code, text } = await run('stdout', ['push', '--digest-file', join(folder, 'digest')]);
    expect(code).toBe(1);
    expect(text.match(/cannot write stdout/g)).toHaveLength(1);
    const pushed = await getManifest(registry.url, 'app', 'list');
    expect(await readFile(join(folder, 'digest'), 'utf8')).toBe(`${pushed?.digest}\n`);
  });

  test('on stdout: a higher exit code is kept', async () => {
    await writeFile(join(folder, 'bad.json'), '{"schemaVersion":2}');
    const { code, text } = await run('stdout', ['validate', join(folder, 'bad.json')]);
    expect(code).toBe(3);
    expect(text).toContain('cannot write stdout: the disk is full (ENOSPC)');
  });

  const sources: readonly (readonly [number, string, string])[] = [
    [0, 'v1', 'v2'],
    [4, 'nothing', 'v3'],
  ];
  test.each(casesOf(sources, 2))('on stderr: the command completes, with exit code %d', async (code, from, to) => {
    const args = ['copy', `${registry.host}/app:${from}`, `${registry.host}/app:${to}`];
    expect(await run('stderr', args)).toMatchObject({ code });
  });
});

/** On a disk that is nearly full, a write accepts only some of the bytes. The size limit of files has the same effect. */
(process.platform === 'win32' ? test.skip : test)('output of which only a part was written', async () => {
  const file = join(await temporaryFolder(), 'help');
  const command = `ulimit -f 1; exec ${[program, ...first].map((word) => `'${word}'`).join(' ')} --help > '${file}'`;
  const child = spawn('sh', ['-c', command], {
    env: { PATH: process.env['PATH'], NODE_DISABLE_COMPILE_CACHE: '1' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const chunks: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
  expect(await new Promise((resolve) => child.once('close', resolve))).toBe(1);
  expect(Buffer.concat(chunks).toString()).toContain('cannot write stdout: ');
});
