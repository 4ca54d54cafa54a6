import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { startRegistry } from '../../src/index.ts';
import { joinRounds, type RoundsOptions, type Tally } from '../support/join-rounds.ts';
import { startMlist } from '../support/mlist.ts';
import { roughWay, seeded } from '../support/rough-way.ts';
import { temporaryFolder, World } from '../support/world.ts';

/**
 * Many runners that join one tag at the same moment, over a way on which answers are late and some are lost. The long
 * run, with processes only, is `npm run bench -- join`.
 */
interface Series extends Pick<RoundsOptions, 'kind' | 'runners' | 'rounds' | 'kills' | 'start'> {
  readonly conditions: boolean;
}

async function tallyOf({ conditions, ...series }: Series): Promise<Tally> {
  const random = seeded(Date.now());
  const registry = await startRegistry();
  const roughness = { delayMs: 30, refused: 3, cut: 3, lost: 4, withoutConditions: !conditions, random };
  const front = await roughWay(registry.url, roughness);
  try {
    return await joinRounds({ ...series, url: registry.url, host: front.host, random });
  } finally {
    await front.close();
    await registry.close();
  }
}

async function inProcess(): Promise<RoundsOptions['start']> {
  const world = await World.make();
  return (args) => ({ ended: world.run(args), kill: () => undefined });
}

async function asProcess(): Promise<RoundsOptions['start']> {
  const env = { MLIST_WORKSPACE: join(await temporaryFolder(), 'ws') };
  return (args) => {
    const { child, ended } = startMlist(args, env);
    return { ended, kill: () => void child.kill('SIGKILL') };
  };
}

test.each<[RoundsOptions['kind'], number, number, boolean]>([
  ['without --expect', 8, 3, true],
  ['without --expect', 8, 3, false],
  ['with --expect', 8, 3, false],
  ['two builds at once, with --expect', 8, 3, true],
  ['without --expect', 32, 1, true],
  ['with --expect', 32, 1, false],
])(
  '%s: %i runners, %i rounds, conditions %j',
  async (kind, runners, rounds, conditions) => {
    const { faults, lists } = await tallyOf({ kind, runners, rounds, conditions, start: await inProcess() });
    expect(faults).toEqual([]);
    expect(lists).toBeGreaterThan(rounds);
  },
  240_000,
);

test.each<[RoundsOptions['kind'], boolean]>([
  ['without --expect', false],
  ['two builds at once, with --expect', true],
])(
  '%s: processes, one of which is killed and started again',
  async (kind, conditions) => {
    const more = { kind, runners: 4, rounds: 4, kills: true, conditions };
    const { faults, kills } = await tallyOf({ ...more, start: await asProcess() });
    expect(faults).toEqual([]);
    expect(kills).toBeGreaterThan(0);
  },
  240_000,
);
