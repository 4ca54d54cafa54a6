import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Explained } from '../../src/operations/explain/explain.ts';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { sha256 } from '../support/images.ts';
import { callEngine, describeOnEngines, mustCall, type RealEngine } from '../support/real-engines.ts';
import { isSampled } from '../support/long.ts';
import { makeList, pushList, type BuiltList, type ListWords } from '../support/list-notation.ts';
import { describeWith, runProgram } from '../support/programs.ts';
import { temporaryFolder, CliHarness } from '../support/cli-harness.ts';

/** Compares the images that skopeo, buildah and container engines pull with the output of `explain`. */

const common = 'linux/amd64 linux/arm64/v8 linux/arm/v7 linux/arm/v6 linux/386 linux/s390x';

/** Lists, and the requested platforms exactly as `--override-*` passes them on. */
const rows: readonly (readonly [words: string, ...platforms: readonly string[]])[] = [
  [common, 'linux/amd64', 'linux/arm64', 'linux/arm64/v8', 'linux/arm', 'linux/arm/v6', 'linux/arm/v8', 'linux/s390x'],
  [common, 'linux/386', 'linux/amd64/v3', 'linux/ppc64le', 'windows/amd64', 'linux/arm/v5'],
  ['linux/arm/v5 linux/arm/v6 linux/arm/v7 linux/arm/v8', 'linux/arm', 'linux/arm/v7', 'linux/arm/v6', 'linux/arm/v4'],
  ['linux/arm linux/arm/v7', 'linux/arm', 'linux/arm/v7', 'linux/arm/v6'],
  ['linux/arm/v6', 'linux/arm', 'linux/arm/v5', 'linux/arm/v7'],
  ['linux/arm64 linux/arm64/v8', 'linux/arm64', 'linux/arm64/v8'],
  ['linux/arm64/v8 linux/arm64', 'linux/arm64', 'linux/arm64/v8', 'linux/arm64/v9'],
  ['linux/arm/v7', 'linux/arm64'],
  ['linux/amd64/v3 linux/amd64/v2 linux/amd64', 'linux/amd64', 'linux/amd64/v2', 'linux/amd64/v3', 'linux/amd64/v4'],
  ['linux/amd64/v2', 'linux/amd64', 'linux/amd64/v2'],
  ['linux/amd64/v1 linux/386', 'linux/amd64', 'linux/amd64/v1'],
  ['linux/x86_64 linux/aarch64', 'linux/amd64', 'linux/arm64'],
  ['linux/amd64 linux/amd64', 'linux/amd64'],
  ['?linux/amd64 linux/amd64', 'linux/amd64', 'linux/arm64'],
  ['linux/s390x ?linux/amd64 ?linux/arm64', 'linux/amd64', 'linux/arm64'],
  ['?linux/s390x', 'linux/amd64'],
  ['unknown/unknown linux/amd64', 'linux/amd64', 'linux/riscv64'],
  ['linux/amd64@1.0 linux/amd64&sse5 linux/amd64', 'linux/amd64'],
  ['windows/amd64@10.0.17763.1 windows/amd64@10.0.20348.1', 'windows/amd64'],
  ['linux/amd64 linux/amd64+zstd', 'linux/amd64'],
  ['linux/arm64+zstd linux/arm64/v8+zstd linux/arm64/v8', 'linux/arm64', 'linux/arm64/v8'],
  ['Linux/AMD64 linux/amd64', 'linux/amd64'],
  ['linux/arm/7 linux/arm/v7', 'linux/arm/v7'],
  ['linux/ppc64le/power9 linux/ppc64le', 'linux/ppc64le', 'linux/ppc64le/power9', 'linux/ppc64le/power8'],
  ['[linux/amd64 linux/arm64]linux/amd64 linux/arm64', 'linux/amd64', 'linux/arm64'],
  ['[linux/amd64 linux/arm64]', 'linux/amd64'],
  ['-/- linux/amd64', 'linux/amd64', 'linux/arm64'],
];

interface Case {
  readonly name: string;
  readonly written: ListWords;
  readonly platform: string;
}

/** In a Docker list every entry has a platform, and there are no annotations. Clients apply the same rules in other code. */
const docker = rows.filter(([words]) => !/[?[]|zstd/.test(words)).slice(0, 10);

/** Lists of each kind, each with some of its platforms in the short version. */
const cases = [...rows.map((row) => ['oci', row] as const), ...docker.map((row) => ['docker', row] as const)]
  .flatMap(([kind, [words, ...platforms]]) =>
    platforms.map((platform): Case => ({
      name: `${kind} ${words}, asked for ${platform}`,
      written: { kind, words },
      platform,
    })),
  )
  .filter((_, index) => isSampled(index, 6));

let registry: RunningRegistry;
let cli: CliHarness;
const pushed = new Map<string, Promise<{ readonly list: BuiltList; readonly tag: string }>>();

beforeAll(async () => {
  registry = await startRegistry();
  cli = await CliHarness.make();
});
afterAll(() => registry.close());

/** Pushes each list only once. */
function pushOnce(written: ListWords): Promise<{ readonly list: BuiltList; readonly tag: string }> {
  const key = JSON.stringify(written);
  const known = pushed.get(key);
  if (known !== undefined) return known;
  const tag = `list${pushed.size}`;
  const list = makeList(written, tag);
  const pushing = pushList(registry.url, 'team/app', tag, list).then(() => ({ list, tag }));
  pushed.set(key, pushing);
  return pushing;
}

/** The digests of the manifest and of the config that a client selects according to `explain`. */
async function explainedDigests(id: string, old: string, { written, platform }: Case) {
  const { list, tag } = await pushOnce(written);
  const ref = `${registry.host}/team/app:${tag}`;
  const { platforms } = await cli.json<Explained>('explain', ref, '--platform', platform);
  const clients = platforms[0]?.clients ?? [];
  const client = clients.find((one) => one.id === old) ?? clients.find((one) => one.id === id);
  const image = list.byPlace.get(client?.picked?.place ?? '');
  expect(image?.digest).toBe(client?.picked?.digest);
  const config = image?.blobs[0];
  return { ref, digest: image?.digest ?? 'none', config: config === undefined ? 'none' : sha256(config) };
}

function isAtLeast(program: string, major: number, minor: number): boolean {
  const version = /version (\d+)\.(\d+)/.exec(spawnSync(program, ['--version'], { encoding: 'utf8' }).stdout);
  const [own, part] = [Number(version?.[1]), Number(version?.[2])];
  return own > major || (own === major && part >= minor);
}

function splitPlatform(platform: string): readonly [os: string, architecture: string, variant: string | undefined] {
  const [os = '', architecture = '', variant] = platform.split('/');
  return [os, architecture, variant];
}

describeWith('skopeo', 'explain says what is pulled', () => {
  const old = isAtLeast('skopeo', 1, 14) ? '' : 'skopeo-1.13';

  test.each(cases)('$name', async (row) => {
    const { ref, digest } = await explainedDigests('skopeo', old, row);
    const [os, architecture, variant] = splitPlatform(row.platform);
    const folder = join(await temporaryFolder(), 'image');
    const pulled = await runProgram(
      'skopeo',
      ...['copy', '--insecure-policy', '--src-tls-verify=false'],
      ...['--override-os', os, '--override-arch', architecture],
      ...(variant === undefined ? [] : ['--override-variant', variant]),
      ...[`docker://${ref}`, `dir:${folder}`],
    ).then(
      async () => sha256(await readFile(join(folder, 'manifest.json'))),
      () => 'none',
    );
    expect(pulled).toBe(digest);
  });
});

describeWith('buildah', 'explain says what is pulled', () => {
  const old = isAtLeast('buildah', 1, 32) ? '' : 'podman-4.6';
  let storage: readonly string[];
  let policy: string;
  beforeAll(async () => {
    const folder = await temporaryFolder();
    storage = ['--root', join(folder, 'root'), '--runroot', join(folder, 'run'), '--storage-driver', 'vfs'];
    policy = join(folder, 'policy.json');
    await writeFile(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }));
  });

  test.each(cases)('$name', async (row) => {
    const { ref, config } = await explainedDigests('podman', old, row);
    const [os, architecture, variant] = splitPlatform(row.platform);
    const pulled = await runProgram(
      'buildah',
      ...storage,
      ...['pull', '--quiet', '--policy', 'always', '--tls-verify=false', '--signature-policy', policy],
      ...['--os', os, '--arch', architecture],
      ...(variant === undefined ? [] : ['--variant', variant]),
      `docker://${ref}`,
    ).then(
      (id) => `sha256:${id.trim()}`,
      () => 'none',
    );
    expect(pulled).toBe(config);
  });
});

interface EngineRow {
  readonly name: RealEngine['name'];
  /** Id of its client in `explain`. */
  readonly id: string;
  /** Id of the client that stands for the versions before `since`. */
  readonly old: string;
  readonly since: readonly [major: number, minor: number];
  /** Whether its image IDs are digests of configs. The containerd store lists the manifests that it has. */
  readonly hasConfigIds: boolean;
}

const engineRows: readonly EngineRow[] = [
  { name: 'containerd', id: 'docker', old: 'containerd', since: [29, 5], hasConfigIds: false },
  { name: 'classic', id: 'docker-classic', old: 'docker-20.10', since: [23, 0], hasConfigIds: true },
  { name: 'podman', id: 'podman', old: 'podman-4.6', since: [4, 7], hasConfigIds: true },
];

/** An engine on Linux does not pull images for Windows, and Docker 20.10 fails on the os "Linux" of a config. */
const engineCases = cases.filter(({ written }) => !/windows|Linux/.test(written.words));

for (const { name, id, old, since, hasConfigIds } of engineRows) {
  describeOnEngines(
    'explain says what is pulled',
    (engine) => {
      let oldId: string;
      beforeAll(async () => {
        const { Version: version } = JSON.parse(await mustCall(engine, 'GET', '/version')) as {
          readonly Version: string;
        };
        const [major = 0, minor = 0] = version.split('.').map(Number);
        oldId = major > since[0] || (major === since[0] && minor >= since[1]) ? '' : old;
      });

      test.each(engineCases)('$name', async (row) => {
        const { ref, digest, config } = await explainedDigests(id, oldId, row);
        const pulled = await pullWith(engine, ref, row.platform);
        // containerd also downloads the entries without a platform.
        if (digest === 'none') expect(pulled).toEqual([]);
        else if (hasConfigIds) expect(pulled).toEqual([config]);
        else expect(pulled).toContain(digest);
      });
    },
    [name],
  );
}

/** Pulls an image and removes it. Returns the digests of what was pulled; empty if the pull fails. */
async function pullWith(engine: RealEngine, ref: string, platform: string): Promise<readonly string[]> {
  const query = new URLSearchParams({ fromImage: ref, platform });
  const { status, text } = await callEngine(engine, 'POST', `/images/create?${query.toString()}`);
  if (status >= 300 || text.includes('"error"')) return [];
  try {
    const image = JSON.parse(await mustCall(engine, 'GET', `/images/${ref}/json?manifests=1`)) as InspectedImage;
    return image.Manifests?.flatMap(({ ID, Available }) => (Available ? ID : [])) ?? [image.Id];
  } finally {
    await mustCall(engine, 'DELETE', `/images/${ref}?force=true`);
  }
}

interface InspectedImage {
  readonly Id: string;
  /** Only in the containerd store. */
  readonly Manifests?: readonly { readonly ID: string; readonly Available: boolean }[];
}
