import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, expect, test } from '@jest/globals';
import { describeExecutables, executableFor } from '../support/built-executable.ts';
import { cleanup } from '../support/cleanup.ts';
import { temporaryFolder } from '../support/cli-harness.ts';
import { imageOf } from '../store/samples.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { checkout } from '../support/mlist.ts';
import { version } from '../../src/version.ts';

/** The single executables. `MLIST_TEST_EXECUTABLE=build/linux-x64/mlist npm test` runs the other suites with one. */

/** Runs the main job with a program: an embedded registry, two images, and a list of them. @returns the digest of the list */
async function mainJob(
  command: readonly string[],
  { env, hosts = '127.0.0.1' }: { readonly env: Readonly<Record<string, string>>; readonly hosts?: string },
): Promise<string> {
  const [program = '', ...first] = command;
  const registry = spawn(program, [...first, 'serve', '--addr', `${hosts}:0`], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [url] = (await once(createInterface(registry.stdout), 'line')) as [string];
    const { host } = new URL(url);
    for (const architecture of ['amd64', 'arm64'])
      await pushImage(
        url,
        'team/app',
        architecture,
        makeImage({ salt: architecture, platform: { architecture, os: 'linux' } }),
      );
    const run = (...args: readonly string[]) => execFileSync(program, [...first, ...args], { env, encoding: 'utf8' });
    const list = `${host}/team/app:1.0`;
    expect(run('create', list, `${host}/team/app:amd64`, `${host}/team/app:arm64`)).toBe(
      `Created manifest list ${list}\n`,
    );
    run('annotate', '--arch', 'arm64', '--variant', 'v8');
    const digest = run('push').trim();
    expect(run('digest', list).trim()).toBe(digest);
    return digest;
  } finally {
    registry.kill();
  }
}

async function homeFolder(): Promise<Record<string, string>> {
  return { HOME: await temporaryFolder(), NO_COLOR: '1', PATH: process.env['PATH'] ?? '' };
}

const DIGEST = /^sha256:[0-9a-f]{64}$/;

describeExecutables('the executable', ['linux-x64'], ([executable = '']) => {
  const run = (args: readonly string[], env: Record<string, string>, input?: string) =>
    spawnSync(executable, args, { env, encoding: 'utf8', input });

  test('does the main job', async () => {
    expect(await mainJob([executable], { env: await homeFolder() })).toMatch(DIGEST);
  });

  test.each([
    ['NODE_OPTIONS', (script: string) => ({ NODE_OPTIONS: `--require ${script}` })],
    [
      'NODE_PATH and NODE_REPL_EXTERNAL_MODULE',
      (script: string) => ({ NODE_PATH: dirname(script), NODE_REPL_EXTERNAL_MODULE: script }),
    ],
  ])('does not run code that %s names', async (_name, variables) => {
    const env = await homeFolder();
    const script = join(env['HOME'] ?? '', 'other.js');
    writeFileSync(script, "process.stdout.write('other code')");
    expect(run(['--version'], { ...env, ...variables(script) })).toMatchObject({
      stdout: `${version}\n`,
      stderr: '',
      status: 0,
    });
  });

  test('does not treat options of Node as such', async () => {
    expect(run(['--eval', '0'], await homeFolder())).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/unknown option --eval/) as unknown,
    });
  });

  // Each needs a package that the bundle loads only then.
  test.each<[string, readonly string[], string | undefined, RegExp]>([
    ['yargs', ['push', '--help'], undefined, /^Usage: +mlist push/m],
    ['yaml', ['apply', '--dry-run', '-f', '-'], 'list: 5', /must be/],
    ['bcryptjs, in a worker thread', ['serve', '--hash-password'], 'name:correct-horse', /\$2[aby]\$10\$/],
  ])('loads %s', async (_name, args, input, output) => {
    const { stdout, stderr } = run(args, await homeFolder(), input);
    expect(stdout + stderr).toMatch(output);
    expect(stderr).not.toMatch(/unexpected error|Cannot find module/);
  });

  test('contains the build of the current sources', () => {
    expect(readFileSync(executable).includes(readFileSync(join(dirname(executable), 'mlist.cjs')))).toBe(true);
  });
});
