import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { joinRounds, type RoundsOptions, type Tally } from '../support/join-rounds.ts';
import { killedAt } from '../support/killed-programs.ts';
import { isLong, roundsOf } from '../support/long.ts';
import { startMlist } from '../support/mlist.ts';
import { seeded } from '../support/flaky-proxy.ts';
import { drawSeed } from '../support/seed.ts';
import { temporaryFolder, CliHarness } from '../support/cli-harness.ts';

/**
 * Many runners that join one tag at the same moment, over a network that delays responses and loses some of them. Faults
 * are reported with their seed, for MLIST_TEST_SEED. `npm run bench -- join` runs more rounds, with processes only.
 */
type Series = Pick<RoundsOptions, 'kind' | 'runners' | 'rounds' | 'conditions'>;

/** Runs all series concurrently, because runners wait more than they compute. */
async function expectNoFaults(
  all: readonly Series[],
  optionsOf: () => Promise<Pick<RoundsOptions, 'run' | 'kills'>>,
): Promise<readonly Tally[]> {
  const seed = drawSeed();
  const tallies = await Promise.all(
    all.map(async (series) => joinRounds({ ...series, delayMs: 30, random: seeded(seed), ...(await optionsOf()) })),
  );
  const faults = tallies.flatMap((tally, at) => tally.faults.map((fault) => ({ ...all[at], fault })));
  expect({ seed, faults }).toEqual({ seed, faults: [] });
  return tallies;
}

const rounds = roundsOf(1, 3);
const few = isLong ? 8 : 4;
const many: readonly Series[] = [
  { kind: 'without --expect', runners: 32, rounds: 1, conditions: true },
  { kind: 'with --expect', runners: 32, rounds: 1, conditions: false },
];

test('in one process: the list is complete at the end, and always complete with --expect', async () => {
  const series: readonly Series[] = [
    { kind: 'without --expect', runners: few, rounds, conditions: true },
    { kind: 'without --expect', runners: few, rounds, conditions: false },
    { kind: 'with --expect', runners: few, rounds, conditions: false },
    { kind: 'two builds at once, with --expect', runners: few, rounds, conditions: true },
    ...(isLong ? many : []),
  ];
  await expectNoFaults(series, async () => {
    const cli = await CliHarness.make();
    return { run: (args) => cli.run(args) };
  });
});

if (isLong)
  test('in processes, of which one is killed and restarted in each round', async () => {
    const series: readonly Series[] = [
      { kind: 'without --expect', runners: 4, rounds, conditions: false },
      { kind: 'two builds at once, with --expect', runners: 4, rounds, conditions: true },
    ];
    const tallies = await expectNoFaults(series, async () => {
      const env = { MLIST_WORKSPACE: join(await temporaryFolder(), 'ws') };
      const envOf = (killAt: number | undefined) => ({ ...env, ...(killAt === undefined ? {} : killedAt(killAt)) });
      return { kills: true, run: (args, killAt) => startMlist(args, envOf(killAt)).ended };
    });
    expect(tallies.map(({ kills }) => kills)).toEqual([rounds, rounds]);
  });
