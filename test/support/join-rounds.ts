import { parsePlatform, type Platform } from '../../src/oci/platform/platform.ts';
import { startRegistry } from '../../src/server/start-registry.ts';
import { getManifest, makeImage, pushImage, type Image } from './images.ts';
import { stepsOf } from './killed-programs.ts';
import { startFlakyProxy } from './flaky-proxy.ts';

/**
 * Runs rounds in which many participants join one tag at the same time, over a network that delays and loses responses,
 * and observes the tag from outside.
 */
export interface RoundsOptions {
  readonly runners: number;
  readonly rounds: number;
  readonly kind: 'without --expect' | 'with --expect' | 'two builds at once' | 'two builds at once, with --expect';
  /** Kill one participant per round at a random step, and start it again. Default: false. */
  readonly kills?: boolean;
  /** The registry evaluates conditional requests. */
  readonly conditions: boolean;
  /** Maximum delay of a response in milliseconds. */
  readonly delayMs: number;
  readonly random: () => number;
  /** Runs a join to its end, or until it is killed at the step. */
  readonly run: (args: readonly string[], killAt?: number) => Promise<Joined>;
}

export interface Joined {
  readonly code: number | null;
  readonly stderr: string;
}

/** Every join has more steps than this (`kill-at-step.js`). */
const KILLED_STEPS = 20;

export interface Tally {
  readonly rounds: number;
  readonly kills: number;
  /** Number of different lists of the tag, in all rounds. */
  readonly lists: number;
  readonly requests: number;
  /** The violations, with the number of the round. */
  readonly faults: readonly string[];
}

const architectures = [
  'amd64',
  'arm64',
  'arm/v5',
  'arm/v6',
  'arm/v7',
  '386',
  'ppc64le',
  's390x',
  'riscv64',
  'mips64le',
];
const more = ['loong64', 'mipsle', 'mips64', 'mips', 'ppc64', 'amd64/v3'];
const all = ['linux', 'freebsd'].flatMap((os) => [...architectures, ...more].map((one) => `${os}/${one}`));

export const runnerPlatforms = (count: number): readonly string[] => all.slice(0, count);

export async function joinRounds(options: RoundsOptions): Promise<Tally> {
  const { rounds, kind, runners, conditions, delayMs, random } = options;
  const registry = await startRegistry();
  const written = new Map<string, (Buffer | undefined)[]>();
  const proxy = await startFlakyProxy(registry.url, {
    ...{ delayMs, refused: 3, cut: 3, lost: 4, withoutConditions: !conditions, random },
    onWritten: (name, bytes) => written.set(name, [...(written.get(name) ?? []), bytes]),
  });
  try {
    const builds = kind.startsWith('two') ? 2 : 1;
    const platforms = runnerPlatforms(runners / builds);
    const images = await Promise.all(
      Array.from({ length: builds }, (_, build) => pushAll(registry.url, platforms, `build ${build}`)),
    );
    const tally = { rounds, kills: 0, lists: 0, faults: [] as string[] };
    for (let round = 1; round <= rounds; round += 1) {
      const { ended, killed } = await oneRound(options, { host: proxy.host, round, platforms, images });
      const seen = written.get(tagOf(round)) ?? [];
      const last = await getManifest(registry.url, 'team/app', tagOf(round));
      const lists = distinct([...seen, last?.bytes].map((bytes) => bytes?.toString()));
      const expected = images.map((build) => build.map(({ digest }) => digest));
      const unseen = seen.length === 0 ? ['no write of the tag was seen'] : [];
      const faults = [...ended, ...unseen, ...faultsOf(lists, expected, isExpected(kind))];
      tally.kills += Number(killed);
      tally.lists += lists.length;
      tally.faults.push(...faults.map((fault) => `round ${round}: ${fault}`));
    }
    return { ...tally, requests: proxy.requests.length };
  } finally {
    await proxy.close();
    await registry.close();
  }
}

async function pushAll(url: string, platforms: readonly string[], salt: string): Promise<readonly Image[]> {
  return Promise.all(
    platforms.map(async (name, at) => {
      const platform: Platform = parsePlatform(name);
      const image = makeImage({ salt: `${salt} ${name}`, kind: 'oci', platform, layerBytes: 64 + at });
      await pushImage(url, 'team/built', `${salt.replace(' ', '-')}-${at}`, image);
      return image;
    }),
  );
}

/** One request in ten fails, and each participant sends hundreds, so the default number of retries is too low. */
const MANY_RETRIES = ['--retries', '8'];

interface Round {
  readonly host: string;
  readonly round: number;
  readonly platforms: readonly string[];
  /** By build, in the order of the platforms. */
  readonly images: readonly (readonly Image[])[];
}

const tagOf = (round: number) => `round${round}`;
const isExpected = (kind: RoundsOptions['kind']) => kind.endsWith('with --expect');

/** @returns the error of each participant that failed, and whether one was killed */
async function oneRound(options: RoundsOptions, { host, round, platforms, images }: Round) {
  const { kind, random, kills = false, run } = options;
  const commands = images.flatMap((_, build) =>
    platforms.map((_platform, at) => [
      'join',
      `${host}/team/app:${tagOf(round)}`,
      `${host}/team/built:build-${build}-${at}`,
      '--group',
      String(round * 10 + build),
      ...MANY_RETRIES,
      ...(isExpected(kind) ? ['--expect', platforms.join(',')] : []),
    ]),
  );
  const victim = kills ? Math.floor(random() * commands.length) : -1;
  const killAt = 1 + Math.floor(random() * KILLED_STEPS);
  let killed = false;
  const ended = await Promise.all(
    commands.map(async (args, at) => {
      if (at !== victim) return run(args);
      killed = stepsOf(await run(args, killAt)) === undefined;
      return run(args);
    }),
  );
  const failed = ended.flatMap(({ code, stderr }, at) =>
    code === 0 ? [] : [`runner ${at} ended with ${String(code)}: ${stderr.trim().split('\n').slice(-2).join(' ')}`],
  );
  return { killed, ended: failed };
}

/** The successive lists of the tag; undefined where it was deleted. */
function distinct(lists: readonly (string | undefined)[]): readonly (string | undefined)[] {
  return lists.filter((one, at) => at === 0 || one !== lists[at - 1]);
}

function faultsOf(
  documents: readonly (string | undefined)[],
  builds: readonly (readonly string[])[],
  mustBeWhole: boolean,
): readonly string[] {
  const lists = documents.map((one) => (one === undefined ? undefined : digestsIn(one)));
  const last = lists.at(-1) ?? [];
  const newest = builds.at(-1) ?? [];
  const missing = newest.filter((digest) => !last.includes(digest));
  const older = builds.slice(0, -1).flat();
  const faults = [
    ...(missing.length > 0 ? [`${missing.length} platforms are missing at the end`] : []),
    ...(last.some((digest) => older.includes(digest)) ? ['an image of the older build is left'] : []),
    ...(last.length > newest.length ? ['there are more images than platforms'] : []),
  ];
  if (!mustBeWhole) return faults;
  const whole = new Set(builds.map((digests) => digests.join()));
  const halves = lists.filter((list) => list !== undefined && !whole.has(list.join()));
  const gone = lists.includes(undefined);
  const changes = lists.filter((list) => list !== undefined).length;
  return [
    ...faults,
    ...(halves.length > 0 ? [`the tag had ${halves.length} lists that are not one whole build`] : []),
    ...(gone ? ['the tag was gone again'] : []),
    ...(builds.length === 1 && changes !== 1 ? [`the tag changed ${changes} times`] : []),
  ];
}

function digestsIn(document: string): readonly string[] {
  return (JSON.parse(document) as { manifests: { digest: string }[] }).manifests.map(({ digest }) => digest);
}
