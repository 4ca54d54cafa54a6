import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from '@jest/globals';
import { version } from '../../src/version.ts';
import { describeExecutables } from '../support/built-executable.ts';
import { temporaryFolder } from '../support/cli-harness.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { isLong } from '../support/long.ts';
import { checkout } from '../support/mlist.ts';

/**
 * The single executables that `npm run build:binary` has built. Other suites run with one if MLIST_TEST_EXECUTABLE is its path.
 */
const isRoot = process.getuid?.() === 0;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** Runs the main job with a program: an embedded registry, two images, and a list of them. @returns the digest of the list */
async function mainJob(command: readonly string[], env: Readonly<Record<string, string>>): Promise<string> {
  const [program = '', ...first] = command;
  const registry = spawn(program, [...first, 'serve', '--addr', '127.0.0.1:0'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [url] = (await once(createInterface(registry.stdout), 'line')) as [string];
    const { host } = new URL(url);
    for (const architecture of ['amd64', 'arm64']) {
      const image = makeImage({ salt: architecture, platform: { architecture, os: 'linux' } });
      await pushImage(url, 'team/app', architecture, image);
    }
    const run = (...args: readonly string[]) =>
      execFileSync(program, [...first, ...args], { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
    const list = `${host}/team/app:1.0`;
    expect(run('create', list, `${host}/team/app:amd64`, `${host}/team/app:arm64`)).toBe(
      `Created manifest list ${list}`,
    );
    run('annotate', '--arch', 'arm64', '--variant', 'v8');
    const digest = run('push');
    expect(run('digest', list)).toBe(digest);
    return digest;
  } finally {
    registry.kill();
  }
}

const homeFolder = async (): Promise<Record<string, string>> => ({
  HOME: await temporaryFolder(),
  NO_COLOR: '1',
  PATH: process.env['PATH'] ?? '',
});

describeExecutables('the executable', ['linux-x64'], ([executable = '']) => {
  const run = (args: readonly string[], env: Record<string, string>, input?: string) =>
    spawnSync(executable, args, { env, encoding: 'utf8', input });

  test('does the main job', async () => {
    expect(await mainJob([executable], await homeFolder())).toMatch(DIGEST);
  });

  test('ignores NODE_OPTIONS', async () => {
    const env = await homeFolder();
    const script = join(env['HOME'] ?? '', 'other.js');
    writeFileSync(script, "process.stdout.write('other code')");
    const expected = { stdout: `${version}\n`, stderr: '', status: 0 };
    expect(run(['--version'], { ...env, NODE_OPTIONS: `--require ${script}` })).toMatchObject(expected);
    expect(run(['--version'], { ...env, NODE_OPTIONS: '--not-an-option' })).toMatchObject(expected);
  });

  test('does not treat options of Node as such', async () => {
    const { stdout, status } = run(['--eval', "process.stdout.write('other code')"], await homeFolder());
    expect([stdout, status]).toEqual(['', 2]);
  });

  // Each needs a package that the bundle loads only then.
  test.each<[string, readonly string[], string | undefined, RegExp]>([
    ['yargs', ['push', '--help'], undefined, /^Usage: +mlist push/m],
    ['yaml', ['apply', '--dry-run', '-f', '-'], 'list: 5', /must be/],
    [
      'bcryptjs, in a worker thread',
      ['serve', '--hash-password', 'me', '--password-stdin'],
      'correct-horse',
      /^me:\$2[aby]\$10\$/m,
    ],
  ])('loads %s', async (_name, args, input, output) => {
    const { stdout, stderr } = run(args, await homeFolder(), input);
    expect(stdout + stderr).toMatch(output);
    expect(stderr).not.toMatch(/unexpected error|Cannot find module/);
  });

  (isRoot ? test : test.skip)('needs only the libraries that ldd names', async () => {
    const folder = await temporaryFolder();
    copyFileSync(executable, join(folder, 'mlist'));
    const libraries = execFileSync('ldd', [executable], { encoding: 'utf8' }).match(/\/\S+/g) ?? [];
    expect(libraries.map((path) => basename(path))).toContain('libc.so.6');
    for (const path of libraries) {
      mkdirSync(join(folder, dirname(path)), { recursive: true });
      copyFileSync(path, join(folder, path));
    }
    expect(await mainJob(['chroot', folder, '/mlist'], { HOME: '/', PATH: '/usr/sbin:/usr/bin:/sbin:/bin' })).toMatch(
      DIGEST,
    );
  });

  const image = join(checkout, 'build/image/amd64');
  (isRoot && existsSync(image) ? test : test.skip)('works in the file system of the image, as its user', async () => {
    const folder = join(await temporaryFolder(), 'root');
    execFileSync('cp', ['-a', image, folder]);
    const command = ['chroot', '--userspec=65532:65532', folder, '/usr/bin/mlist'];
    expect(await mainJob(command, { HOME: '/tmp', PATH: '/usr/sbin:/usr/bin:/sbin:/bin' })).toMatch(DIGEST);
  });

  test('does not depend on the folder in which it is built', async () => {
    const files = [`mlist-${version}-linux-x64.tar.gz`, 'linux-x64/mlist'];
    await expectEqualBuilds(['build.js', 'release/executable.js'], files);
  });
});

(isLong && process.platform !== 'win32' ? test : test.skip)(
  'the package does not depend on the folder in which it is built',
  () => expectEqualBuilds(['build.js', 'release/pack.js'], [`mlist-${version}.tgz`]),
);

/** Runs scripts of the build in two copies of the checkout, and compares the files that they write. */
async function expectEqualBuilds(scripts: readonly string[], files: readonly string[]): Promise<void> {
  const folder = await temporaryFolder();
  const hashes = ['one', 'another'].map((name) => {
    const root = join(folder, name);
    copyCheckout(root);
    for (const script of scripts)
      execFileSync(process.execPath, [join(root, '.tools', script)], { cwd: folder, stdio: 'ignore' });
    return files.map((file) => [file, sha256Of(join(root, 'build', file))]);
  });
  expect(hashes[1]).toEqual(hashes[0]);
}

/** A copy of the checkout whose packages are hard links. */
function copyCheckout(folder: string): void {
  mkdirSync(folder);
  const names = [
    '.tools',
    'CHANGELOG.md',
    'CONTRIBUTING.md',
    'LICENSE',
    'README.md',
    'docs',
    'package.json',
    'schemas',
    'src',
    'test',
    'tsconfig.json',
  ];
  execFileSync('cp', ['-a', ...names.map((name) => join(checkout, name)), folder]);
  execFileSync('cp', ['-al', join(checkout, 'node_modules'), folder]);
}

const sha256Of = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');

const isArm64Runnable = spawnSync('qemu-aarch64-static', ['--version']).error === undefined;

describeExecutables(
  'the executable for arm64, in QEMU',
  ['linux-arm64'],
  ([executable = '']) => {
    test('does the main job', async () => {
      const command = ['qemu-aarch64-static', '-L', join(checkout, 'build/image/arm64'), executable];
      expect(await mainJob(command, await homeFolder())).toMatch(DIGEST);
    });
  },
  isArm64Runnable ? undefined : 'qemu-aarch64-static is not on PATH',
);
