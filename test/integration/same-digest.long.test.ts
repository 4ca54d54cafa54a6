import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Platform } from '../../src/oci/platform/platform.ts';
import { describeWith } from '../support/programs.ts';
import { getManifest, makeImage, pushImage } from '../support/images.ts';
import { casesOf, isLong } from '../support/long.ts';
import { describeOnFirstRegistry, type Registry } from '../support/registries.ts';
import { temporaryFolder, CliHarness } from '../support/cli-harness.ts';

/** Other tools push a list with the same entries to the same registry. The digest must be the same. */
const run = promisify(execFile);

const platforms: readonly Platform[] = [
  { architecture: 'amd64', os: 'linux' },
  { architecture: 'arm64', os: 'linux', variant: 'v8' },
  { architecture: 'arm', os: 'linux', variant: 'v7' },
  { architecture: 'arm', os: 'linux', variant: 'v6' },
  { architecture: 'amd64', os: 'windows', 'os.version': '10.0.20348.2402', 'os.features': ['win32k', 'another'] },
  { architecture: '386', os: 'linux' },
  { architecture: 'ppc64le', os: 'linux' },
  { architecture: 's390x', os: 'linux' },
  { architecture: 'riscv64', os: 'linux' },
  { architecture: 'mips64le', os: 'linux' },
  { architecture: 'amd64', os: 'freebsd' },
  { architecture: 'amd64', os: 'darwin' },
];

/** docker orders the entries by the names of its files. */
const tagOf = (at: number) => `image${String(at).padStart(2, '0')}`;

let registry: Registry;
async function begin(start: () => Promise<Registry>, kind: 'docker' | 'oci'): Promise<void> {
  registry = await start();
  for (const [at, platform] of platforms.entries()) {
    await pushImage(registry.url, 'team/app', tagOf(at), makeImage({ kind, salt: `${kind}${at}`, platform }));
  }
}
const at = (name: string) => `${registry.host}/${name}`;
const image = (number: number) => at(`team/app:${tagOf(number)}`);

describeOnFirstRegistry('Docker manifest lists', (start) => {
  beforeAll(() => begin(start, 'docker'));
  afterAll(() => registry.close());

  describeWith('docker', 'the same digest', () => {
    async function docker(folder: string, ...args: readonly string[]): Promise<string> {
      const { stdout } = await run('docker', ['manifest', ...args], {
        env: { ...process.env, DOCKER_CONFIG: folder },
      });
      return stdout.trim();
    }

    async function pushedByDocker(
      list: string,
      images: readonly string[],
      annotate: readonly (readonly string[])[] = [],
    ): Promise<string> {
      const folder = await temporaryFolder();
      await docker(folder, 'create', '--insecure', list, ...images);
      for (const args of annotate) await docker(folder, 'annotate', list, ...args);
      return docker(folder, 'push', '--insecure', list);
    }

    const counts = platforms.map((_, number) => number + 1);
    test.each(isLong ? counts : [1, 12])('of %i images', async (count) => {
      const images = platforms.slice(0, count).map((_, number) => image(number));
      const expected = await pushedByDocker(at(`team/app:docker${count}`), images);
      const cli = await CliHarness.make();
      await cli.must('create', at(`team/app:mlist${count}`), ...images);
      expect(await cli.must('push')).toBe(expected);
      const served = await getManifest(registry.url, 'team/app', `mlist${count}`);
      expect(served?.bytes).toEqual((await getManifest(registry.url, 'team/app', `docker${count}`))?.bytes);
    });

    test.each<[string, readonly string[]]>([
      ['a variant', ['--variant', 'v9']],
      ['os and arch', ['--os', 'windows', '--arch', 'amd64']],
      ['a version', ['--os-version', '10.0.17763.1']],
      ['features', ['--os-features', 'a,b']],
      ['what Go escapes', ['--os-version', '<a&b>\u2028\u2029"\\\t\u0001\b\f\u007fé😀', '--os-features', '<&>']],
    ])('annotated with %s', async (name, flags) => {
      const tag = name.replaceAll(' ', '-').toLowerCase();
      const images = [image(0), image(1)];
      const expected = await pushedByDocker(at(`team/app:d-${tag}`), images, [[image(1), ...flags]]);
      const cli = await CliHarness.make();
      await cli.must('create', at(`team/app:m-${tag}`), ...images);
      await cli.must('annotate', at(`team/app:m-${tag}`), image(1), ...flags);
      expect(await cli.must('push')).toBe(expected);
    });

    test('docker reads what mlist pushed', async () => {
      const cli = await CliHarness.make();
      await cli.must('create', at('team/app:read'), image(0), image(1));
      await cli.must('push');
      const folder = await temporaryFolder();
      expect(await docker(folder, 'inspect', '--insecure', at('team/app:read'))).toBe(await cli.must('inspect'));
    });
  });

  describeWith('skopeo', 'a reader', () => {
    test('reads what mlist pushed, to the byte', async () => {
      const cli = await CliHarness.make();
      await cli.must('create', at('team/app:skopeo'), image(0), image(1));
      await cli.must('push');
      const { stdout } = await run('skopeo', [
        'inspect',
        '--raw',
        '--tls-verify=false',
        `docker://${at('team/app:skopeo')}`,
      ]);
      expect(stdout).toBe(await cli.must('inspect', '--raw'));
    });
  });
});

describeOnFirstRegistry('OCI indexes', (start) => {
  beforeAll(() => begin(start, 'oci'));
  afterAll(() => registry.close());

  describeWith('oras', 'the same bytes', () => {
    test.each(casesOf([1, 2, 5, 12], 3))('of %i images', async (count) => {
      const tags = platforms.slice(0, count).map((_, number) => tagOf(number));
      await run('oras', [
        'manifest',
        'index',
        'create',
        '--plain-http',
        at(`team/app:oras${count}`),
        ...tags,
        '--annotation',
        'b=<&>',
        '--annotation',
        'a=1',
        '--artifact-type',
        'application/x',
      ]);
      const expected = await getManifest(registry.url, 'team/app', `oras${count}`);
      const cli = await CliHarness.make();
      const flags = [
        '--index-annotation',
        'b=<&>',
        '--index-annotation',
        'a=1',
        '--index-artifact-type',
        'application/x',
      ];
      await cli.must('create', at(`team/app:like${count}`), ...tags.map((tag) => at(`team/app:${tag}`)), ...flags);
      expect(await cli.must('inspect', '--raw')).toBe(expected?.bytes.toString());
    });
  });

  describeWith('buildah', 'the same bytes', () => {
    test('of three images, with an annotation', async () => {
      const root = await temporaryFolder();
      const storage = ['--root', join(root, 'root'), '--runroot', join(root, 'run'), '--storage-driver', 'vfs'];
      const buildah = async (...args: readonly string[]) => run('buildah', [...storage, 'manifest', ...args]);
      await buildah('create', 'x');
      for (const number of [0, 1, 2]) await buildah('add', '--tls-verify=false', 'x', `docker://${image(number)}`);
      const { stdout: listed } = await buildah('inspect', 'x');
      const [first] = (JSON.parse(listed) as { manifests: { digest: string }[] }).manifests;
      await buildah('annotate', '--annotation', 'k=<v>', 'x', first?.digest ?? '');
      await buildah(
        'push',
        '--tls-verify=false',
        '--all',
        '--format',
        'oci',
        'x',
        `docker://${at('team/app:buildah')}`,
      );
      const expected = await getManifest(registry.url, 'team/app', 'buildah');
      const cli = await CliHarness.make();
      await cli.must('create', at('team/app:like-buildah'), image(0), image(1), image(2));
      await cli.must('annotate', at('team/app:like-buildah'), image(0), '--annotation', 'k=<v>');
      expect(await cli.must('inspect', '--raw')).toBe(expected?.bytes.toString());
    });
  });
});
