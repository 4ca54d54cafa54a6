import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { platformOf } from '../../src/draft/draft.ts';
import { encodeDraft } from '../../src/draft/to-list.ts';
import { Workspace } from '../../src/draft/workspace/workspace.ts';
import { parseReference } from '../../src/oci/reference.ts';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { isLong, roundsOf } from '../support/long.ts';
import { runMlist } from '../support/mlist.ts';
import { temporaryFolder } from '../support/cli-harness.ts';

/** Two processes edit one entry concurrently. docker manifest loses 143 of 200 such edits, and damages 12 files. */
const ROUNDS = roundsOf(2, 200);
const MANY = isLong ? 8 : 4;

let registry: RunningRegistry;
beforeAll(async () => {
  registry = await startRegistry();
  await pushImage(registry.url, 'team/app', 'arm', makeImage({ platform: { architecture: 'arm', os: 'linux' } }));
});
afterAll(() => registry.close());

test(`${ROUNDS} rounds of two annotates: no update is lost, no draft is damaged`, async () => {
  const folder = join(await temporaryFolder(), 'ws');
  const env = { MLIST_WORKSPACE: folder };
  const list = `${registry.host}/team/app:list`;
  expect(await runMlist(['create', list, `${registry.host}/team/app:arm`], env)).toMatchObject({ code: 0 });
  const workspace = new Workspace(folder);
  const lost: number[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    const [one, two] = await Promise.all([
      runMlist(['annotate', '--variant', `v${round}`], env),
      runMlist(['annotate', '--os-version', `1.2.${round}`], env),
    ]);
    expect([round, one.code, two.code, one.stderr + two.stderr]).toEqual([round, 0, 0, expect.any(String)]);
    const platform = platformOf((await workspace.load(parseReference(list))).entries[0]!);
    if (platform?.variant !== `v${round}` || platform['os.version'] !== `1.2.${round}`) lost.push(round);
  }
  expect(lost).toEqual([]);
});

test(`${MANY} concurrent processes each add an image, and the draft has all of them`, async () => {
  const folder = join(await temporaryFolder(), 'ws');
  const env = { MLIST_WORKSPACE: folder };
  const list = `${registry.host}/team/app:many`;
  const variants = Array.from({ length: MANY }, (_, at) => `v${at}`);
  for (const variant of variants) {
    await pushImage(
      registry.url,
      'team/app',
      variant,
      makeImage({ salt: variant, platform: { architecture: 'arm', os: 'linux', variant } }),
    );
  }
  await runMlist(['create', list], env);
  const ended = await Promise.all(
    variants.map((variant) => runMlist(['add', list, `${registry.host}/team/app:${variant}`], env)),
  );
  expect(ended.map(({ code }) => code)).toEqual(variants.map(() => 0));
  const draft = await new Workspace(folder).load(parseReference(list));
  expect(draft.entries.map((entry) => platformOf(entry)?.variant).sort()).toEqual(variants);
  expect(encodeDraft(draft).bytes.length).toBeGreaterThan(0);
});
