import { join } from 'node:path';
import { joinRounds, type RoundsOptions } from '../support/join-rounds.ts';
import { killedAt } from '../support/killed-programs.ts';
import { startMlist } from '../support/mlist.ts';
import { seeded } from '../support/flaky-proxy.ts';
import type { Place } from './main.ts';
import { print } from './measure.ts';

/**
 * Processes that join one tag concurrently, over a network that delays responses and loses some of them. No fault may
 * occur. `MLIST_JOIN_ROUNDS`, `MLIST_JOIN_SEED` and `MLIST_JOIN_RUNNERS` (8 or 32) change the run.
 */
export async function benchJoin({ root, folder }: Place): Promise<void> {
  const rounds = Number(process.env['MLIST_JOIN_ROUNDS'] ?? 50);
  const seed = Number(process.env['MLIST_JOIN_SEED'] ?? Date.now() % 1_000_000);
  const series: readonly Pick<RoundsOptions, 'kind' | 'runners' | 'kills' | 'conditions'>[] = [
    { kind: 'without --expect', runners: 8, conditions: true },
    { kind: 'with --expect', runners: 8, conditions: true },
    { kind: 'without --expect', runners: 8, conditions: false, kills: true },
    { kind: 'two builds at once, with --expect', runners: 8, conditions: false, kills: true },
    { kind: 'two builds at once', runners: 8, conditions: true, kills: true },
    { kind: 'without --expect', runners: 32, conditions: false },
    { kind: 'with --expect', runners: 32, conditions: false, kills: true },
  ];
  const only = process.env['MLIST_JOIN_RUNNERS'];
  print(`${rounds} rounds each, seed ${seed}`);
  const env = { MLIST_WORKSPACE: join(folder, 'workspace') };
  for (const one of series) {
    if (only !== undefined && Number(only) !== one.runners) continue;
    const started = performance.now();
    const { kills, lists, requests, faults } = await joinRounds({
      ...one,
      rounds,
      delayMs: 40,
      random: seeded(seed),
      run: (args, killAt) =>
        startMlist(args, { ...env, ...(killAt === undefined ? {} : killedAt(killAt, root)) }, { root }).ended,
    });
    const registry = one.conditions ? 'a registry with' : 'a registry without';
    const way = `${one.runners} processes ${one.kind}, ${registry} conditions`;
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    const killed = one.kills === true ? `, ${kills} runners killed and started again` : '';
    print(`${way}${killed}: ${faults.length} faults, ${lists} lists seen, ${requests} requests, ${seconds} s`);
    for (const fault of faults.slice(0, 10)) print(`  ${fault}`);
  }
}
