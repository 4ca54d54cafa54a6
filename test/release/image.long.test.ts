import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { startRegistry } from '../../src/server/start-registry.ts';
import { version } from '../../src/version.ts';
import { describeExecutables } from '../support/built-executable.ts';
import { CliHarness } from '../support/cli-harness.ts';
import { checkout } from '../support/mlist.ts';
import { describeOnEngines } from '../support/real-engines.ts';

/** The container image, as the release workflow builds and pushes it. */
const context = join(checkout, 'build/image');
const hasBuildx = spawnSync('docker-buildx', ['version']).error === undefined;
const isReady = existsSync(join(context, 'amd64')) && existsSync(join(context, 'arm64'));

function reasonToSkip(engine: string): string | undefined {
  if (!isReady) return 'node .tools/release/image-context.js has not been run for both platforms';
  return engine === 'podman' || hasBuildx ? undefined : 'docker-buildx is not on PATH';
}

describeOnEngines('the image', ({ name, prefix, env: engineEnv }) => {
  const tests = ([executable = '']: readonly string[]) => {
    const image = (architecture: string) => `mlist-test-${process.pid}:${architecture}`;

    async function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
      return (await promisify(execFile)(program, args, { env: { ...env, ...engineEnv } })).stdout.trim();
    }

    async function build(architecture: string): Promise<void> {
      const args = ['-q', '--platform', `linux/${architecture}`, '-t', image(architecture)];
      const rest = ['--file', join(checkout, '.github/image/Dockerfile'), context];
      if (name === 'podman') await run('podman', ['--remote', 'build', ...args, ...rest], process.env);
      else await run('docker-buildx', ['build', '--load', '--provenance=false', ...args, ...rest], process.env);
    }

    test('is built for both platforms without pulling, and pushed as a list by the executable', async () => {
      const registry = await startRegistry();
      const { folder } = await CliHarness.make();
      const list = `${registry.host}/team/mlist:${version}`;
      const mlist = (...args: readonly string[]) => run(executable, args, { HOME: folder, MLIST_NO_MIRRORS: '1' });
      const architectures = ['amd64', 'arm64'];
      try {
        for (const architecture of architectures) await build(architecture);
        await mlist('create', list, ...architectures.map((one) => `${prefix}:${image(one)}`));
        const digest = await mlist('push');
        expect(await mlist('digest', `docker://${list}`)).toBe(digest);
        expect(JSON.parse(await mlist('validate', '--deep', '--json', `docker://${list}`))).toMatchObject({
          valid: true,
        });
        const response = await fetch(`${registry.url}/v2/team/mlist/manifests/${version}`);
        const { manifests } = (await response.json()) as { manifests: { platform: object }[] };
        expect(manifests.map(({ platform }) => platform)).toEqual(
          architectures.map((architecture) => expect.objectContaining({ architecture, os: 'linux' }) as unknown),
        );
      } finally {
        await registry.close();
      }
    });
  };
  const reason = reasonToSkip(name);
  describeExecutables('with both executables', ['linux-x64', 'linux-arm64'], tests, reason);
});

describe('the build context', () => {
  const inContext = (path: string) => existsSync(join(context, 'amd64', path));
  (isReady ? test : test.skip)('contains the certificates, and the licences of everything in it', () => {
    const libraries = ['libc6', 'libgcc-s1', 'libstdc++6', 'ca-certificates'].map(
      (name) => `usr/share/doc/${name}/copyright`,
    );
    const paths = [
      'etc/ssl/certs/ca-certificates.crt',
      'usr/share/doc/mlist/LICENSE',
      'usr/share/doc/mlist/THIRD-PARTY-LICENSES.txt',
      'usr/share/common-licenses/LGPL-2.1',
    ];
    expect([...libraries, ...paths].filter((path) => !inContext(path))).toEqual([]);
  });
});
