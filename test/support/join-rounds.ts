import { setTimeout as sleep } from 'node:timers/promises';
import { parsePlatform, type Platform } from '../../src/index.ts';
import { getManifest, makeImage, pushImage, type Image, type Served } from './images.ts';

/** Rounds of many runners that join one tag at the same moment, watched from outside. */
export interface RoundsOptions {
  /** Where the registry is without detours. */
  readonly url: string;
  /** What the runners call it. */
  readonly host: string;
  readonly runners: number;
  readonly rounds: number;
  readonly kind: 'without --expect' | 'with --expect' | 'two builds at once' | 'two builds at once, with --expect';
  /** In each round one of the runners is killed at some moment, and started again. */
  readonly kills?: boolean;
  readonly random: () => number;
  readonly start: (args: readonly string[], round: number) => Running;
  /** Told after each round. */
  readonly onRound?: (round: number) => void;
}

export interface Running {
  readonly ended: Promise<{ readonly code: number | null; readonly signal?: string | null; readonly stderr: string }>;
  readonly kill: () => void;
}

export interface Tally {
  readonly rounds: number;
  readonly kills: number;
  /** Different lists that the tag had, all rounds together. */
  readonly lists: number;
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
  const { rounds, kind, runners, url } = options;
  const builds = kind.startsWith('two') ? 2 : 1;
  const platforms = runnerPlatforms(runners / builds);
  const images = await Promise.all(
    Array.from({ length: builds }, (_, build) => pushAll(url, platforms, `build ${build}`)),
  );
  const tally = { rounds, kills: 0, lists: 0, faults: [] as string[] };
  for (let round = 1; round <= rounds; round += 1) {
    const done = await oneRound(options, { round, platforms, images });
    tally.kills += Number(done.killed);
    tally.lists += done.lists;
    tally.faults.push(...done.faults.map((fault) => `round ${round}: ${fault}`));
    options.onRound?.(round);
  }
  return tally;
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
  readonly round: number;
  readonly platforms: readonly string[];
  /** By build, in the order of the platforms. */
  readonly images: readonly (readonly Image[])[];
}

async function oneRound(options: RoundsOptions, { round, platforms, images }: Round) {
  const { host, kind, random, kills = false } = options;
  const [tag, repository] = [`round${round}`, 'team/app'];
  const isExpected = kind.endsWith('with --expect');
  const seen: (Served | undefined)[] = [];
  const watching = new AbortController();
  const watch = watchTag(options.url, repository, tag, seen, watching.signal);
  const commands = images.flatMap((_, build) =>
    platforms.map((_platform, at) => [
      'join',
      `${host}/${repository}:${tag}`,
      `${host}/team/built:build-${build}-${at}`,
      '--group',
      String(round * 10 + build),
      ...MANY_RETRIES,
      ...(isExpected ? ['--expect', platforms.join(',')] : []),
    ]),
  );
  const victim = kills ? Math.floor(random() * commands.length) : -1;
  let killed = false;
  const ended = await Promise.all(
    commands.map(async (args, at) => {
      const running = options.start(args, round);
      if (at === victim) {
        await Promise.race([sleep(random() * 2500), running.ended]);
        running.kill();
        killed = (await running.ended).signal === 'SIGKILL';
        if (killed) return options.start(args, round).ended;
      }
      return running.ended;
    }),
  );
  watching.abort();
  await watch;
  const last = await readTag(options.url, repository, tag);
  seen.push(last);
  const failed = ended.flatMap(({ code, stderr }, at) =>
    code === 0 ? [] : [`runner ${at} ended with ${String(code)}: ${stderr.trim().split('\n').slice(-2).join(' ')}`],
  );
  const wanted = images.map((build) => build.map(({ digest }) => digest));
  return { killed, lists: distinct(seen).length, faults: [...failed, ...faultsOf(distinct(seen), wanted, isExpected)] };
}

/** Every list that the tag has had, in the order in which they were seen. */
async function watchTag(
  url: string,
  repository: string,
  tag: string,
  seen: (Served | undefined)[],
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    seen.push(await readTag(url, repository, tag));
    await sleep(5);
  }
}

/** A connection that was kept may be closed just when it is used again: only then the watcher asks a second time. */
async function readTag(url: string, repository: string, tag: string): Promise<Served | undefined> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await getManifest(url, repository, tag);
    } catch (thrown) {
      if (tries === 5) throw thrown;
    }
  }
}

function distinct(seen: readonly (Served | undefined)[]): readonly (Served | undefined)[] {
  return seen.filter((one, at) => at === 0 || one?.digest !== seen[at - 1]?.digest);
}

function faultsOf(
  seen: readonly (Served | undefined)[],
  builds: readonly (readonly string[])[],
  isExpected: boolean,
): readonly string[] {
  const lists = seen.map((one) => (one === undefined ? undefined : digestsIn(one)));
  const last = lists.at(-1) ?? [];
  const newest = builds.at(-1) ?? [];
  const missing = newest.filter((digest) => !last.includes(digest));
  const older = builds.slice(0, -1).flat();
  const faults = [
    ...(missing.length > 0 ? [`${missing.length} platforms are missing at the end`] : []),
    ...(last.some((digest) => older.includes(digest)) ? ['an image of the older build is left'] : []),
    ...(last.length > newest.length ? ['there are more images than platforms'] : []),
  ];
  if (!isExpected) return faults;
  const whole = new Set(builds.map((digests) => digests.join()));
  const halves = lists.filter((list) => list !== undefined && !whole.has(list.join()));
  const gone = lists.some((list, at) => list === undefined && at > 0);
  const changes = lists.filter((list) => list !== undefined).length;
  return [
    ...faults,
    ...(halves.length > 0 ? [`the tag had ${halves.length} lists that are not one whole build`] : []),
    ...(gone ? ['the tag was gone again'] : []),
    ...(builds.length === 1 && changes !== 1 ? [`the tag changed ${changes} times`] : []),
  ];
}

function digestsIn({ bytes }: Served): readonly string[] {
  return (JSON.parse(bytes.toString()) as { manifests: { digest: string }[] }).manifests.map(({ digest }) => digest);
}
