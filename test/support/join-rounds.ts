import { parsePlatform, type Platform } from '../../src/oci/platform/platform.ts';
import { startRegistry } from '../../src/server/start-registry.ts';
import { getManifest, makeImage, pushImage, type Image } from './images.ts';
import { stepsOf } from './killed.ts';
import { startFlakyProxy } from './flaky-proxy.ts';

/**
 * Rounds of many runners that join one tag at the same moment, over a network that delays answers and loses some of them,
 * watched from outside.
 */
export interface RoundsOptions {
  readonly runners: number;
  readonly rounds: number;
  readonly kind: 'without --expect' | 'with --expect' | 'two builds at once' | 'two builds at once, with --expect';
  /** In each round one of the runners is killed at some step, and started again. */
  readonly kills?: boolean;
  /** The registry evaluates conditional requests. */
  readonly conditions: boolean;
  /** Milliseconds by which an answer is late at most. */
  readonly delayMs: number;
  readonly random: () => number;
  /** Runs a join to its end, or to the step at which it is killed. */
  readonly run: (args: readonly string[], killAt?: number) => Promise<Joined>;
}

export interface Joined {
  readonly code: number | null;
  readonly stderr: string;
}

/** Each join takes more steps than this (`kill-at-step.js`). */
const KILLED_STEPS = 20;

export interface Tally {
  readonly rounds: number;
  readonly kills: number;
  /** Different lists that the tag had, all rounds together. */
  readonly lists: number;
  readonly requests: number;
  /** What went wrong: round and what. */
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
  const front = await startFlakyProxy(registry.url, {
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
      const { ended, killed } = await oneRound(options, { host: front.host, round, platforms, images });
      const seen = written.get(tagOf(round)) ?? [];
      const last = await getManifest(registry.url, 'team/app', tagOf(round));
      const lists = distinct([...seen, last?.bytes].map((bytes) => bytes?.toString()));
      const wanted = images.map((build) => build.map(({ digest }) => digest));
      const unseen = seen.length === 0 ? ['no write of the tag was seen'] : [];
      const faults = [...ended, ...unseen, ...faultsOf(lists, wanted, isExpected(kind))];
      tally.kills += Number(killed);
      tally.lists += lists.length;
      tally.faults.push(...faults.map((fault) => `round ${round}: ${fault}`));
    }
    return { ...tally, requests: front.seen.length };
  } finally {
    await front.close();
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

/** One request in ten fails, and each runner sends hundreds: of the default attempts all would fail now and then. */
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

/** @returns what each runner failed with */
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

/** The lists that the tag had, in order; undefined where it was deleted. */
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
