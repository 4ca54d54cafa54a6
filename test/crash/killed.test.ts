import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startRegistry, Workspace, type Draft, type RunningRegistry } from '../../src/index.ts';
import { getManifest, makeImage, pushImage } from '../support/images.ts';
import { runMlist, startMlist } from '../support/mlist.ts';
import { temporaryFolder, World } from '../support/world.ts';

/** `kill -9` at a random moment: what is there is the old or the new, and the same command run again finishes. */
const MOMENTS = 34;
const COPIES = 8;

let registry: RunningRegistry;
let at: (name: string) => string;
const tags = Array.from({ length: 6 }, (_, number) => `image${number}`);
beforeAll(async () => {
  registry = await startRegistry();
  at = (name) => `${registry.host}/${name}`;
  for (const [number, tag] of tags.entries()) {
    const platform = { architecture: 'arm', os: 'linux', variant: `v${number}` };
    await pushImage(registry.url, 'team/app', tag, makeImage({ salt: tag, platform, layers: 3 }));
  }
});
afterAll(() => registry.close());

async function freshWorkspace(): Promise<{ readonly workspace: Workspace; readonly env: Record<string, string> }> {
  const folder = join(await temporaryFolder(), 'ws');
  return { workspace: new Workspace(folder), env: { MLIST_WORKSPACE: folder } };
}

/** Runs the command once to know how long it takes, then kills it somewhere on the way. */
async function killAtRandom(args: readonly string[], env: Record<string, string>, usual: number): Promise<boolean> {
  const { child, ended } = startMlist(args, env);
  await sleep(usual * (0.35 + 0.7 * Math.random()));
  child.kill('SIGKILL');
  return (await ended).signal === 'SIGKILL';
}

async function timed(args: readonly string[], env: Record<string, string>): Promise<number> {
  const started = performance.now();
  expect(await runMlist(args, env)).toMatchObject({ code: 0 });
  return performance.now() - started;
}

const sources = () => tags.map((tag) => at(`team/app:${tag}`));

describe(`killed at ${MOMENTS} moments each`, () => {
  test('create: no draft, or the whole one', async () => {
    const { workspace, env } = await freshWorkspace();
    const usual = await timed(['create', at('team/app:timed'), ...sources()], env);
    const seen = { killed: 0, none: 0, whole: 0 };
    for (let moment = 0; moment < MOMENTS; moment += 1) {
      const list = at(`team/app:created${moment}`);
      const args = ['create', list, ...sources()];
      seen.killed += Number(await killAtRandom(args, env, usual));
      const draft = await workspace.find(list);
      if (draft === undefined) seen.none += 1;
      else seen.whole += Number(draft.entries.length === tags.length);
      expect(await runMlist(args, env)).toMatchObject({ code: 0 });
      expect((await workspace.load(list)).entries).toHaveLength(tags.length);
    }
    expect(seen.none + seen.whole).toBe(MOMENTS);
    expect(seen.killed).toBeGreaterThan(0);
  }, 120_000);

  test('annotate: the old draft, or the new one', async () => {
    const { workspace, env } = await freshWorkspace();
    const list = at('team/app:annotated');
    await runMlist(['create', list, at('team/app:image1')], env);
    const usual = await timed(['annotate', '--annotation', 'k=0'], env);
    const value = (draft: Draft) => draft.entries[0]?.set?.annotations?.['k'];
    let killed = 0;
    for (let moment = 1; moment <= MOMENTS; moment += 1) {
      const before = value(await workspace.load(list));
      const args = ['annotate', '--annotation', `k=${moment}`];
      killed += Number(await killAtRandom(args, env, usual));
      expect([before, String(moment)]).toContain(value(await workspace.load(list)));
      expect(await runMlist(args, env)).toMatchObject({ code: 0 });
      expect(value(await workspace.load(list))).toBe(String(moment));
    }
    expect(killed).toBeGreaterThan(0);
  }, 120_000);

  test('push: no tag, or one that is complete', async () => {
    const { env } = await freshWorkspace();
    const list = at('team/app:pushed');
    await runMlist(['create', list, ...sources()], env);
    const usual = await timed(['push', '--to', at('team/timed:x')], env);
    const seen = { killed: 0, absent: 0, complete: 0 };
    for (let moment = 0; moment < MOMENTS; moment += 1) {
      const repository = `team/pushed${moment}`;
      const args = ['push', list, '--to', at(`${repository}:x`)];
      seen.killed += Number(await killAtRandom(args, env, usual));
      if (await isComplete(repository)) seen.complete += 1;
      else seen.absent += 1;
      expect(await runMlist(args, env)).toMatchObject({ code: 0 });
      expect(await isComplete(repository)).toBe(true);
    }
    expect(seen.absent + seen.complete).toBe(MOMENTS);
    expect(seen.killed).toBeGreaterThan(0);
  }, 120_000);
});

describe(`copy killed at ${COPIES} moments each`, () => {
  const image = makeImage({ salt: 'copied', kind: 'oci', layers: 4 });
  beforeAll(() => pushImage(registry.url, 'team/copied', 'v1', image));

  test.each<[string, (folder: string, moment: number | 'timed') => string]>([
    ['a registry', (_, moment) => at(`team/copy${moment}:v1`)],
    ['a layout', (folder, moment) => `oci:${join(folder, `layout${moment}`)}:v1`],
    ['an archive', (folder, moment) => `oci-archive:${join(folder, `archive${moment}.tar`)}:v1`],
  ])(
    'to %s: no name, or one that is complete',
    async (_, targetOf) => {
      const { env } = await freshWorkspace();
      const world = await World.make();
      const from = at('team/copied:v1');
      const usual = await timed(['copy', from, targetOf(world.folder, 'timed')], env);
      let wholes = 0;
      const isWhole = async (target: string): Promise<boolean> => {
        if ((await world.run(['exists', target])).code !== 0) return false;
        // Whatever lacks a part cannot be copied on.
        wholes += 1;
        await world.must('copy', target, `oci:onward${wholes}:v1`);
        return true;
      };
      let killed = 0;
      for (let moment = 0; moment < COPIES; moment += 1) {
        const target = targetOf(world.folder, moment);
        killed += Number(await killAtRandom(['copy', from, target], env, usual));
        await isWhole(target);
        await world.must('copy', from, target);
        expect(await isWhole(target)).toBe(true);
      }
      expect(killed).toBeGreaterThan(0);
    },
    120_000,
  );
});

/** Whether the tag is there; a tag that is there must have everything below it. */
async function isComplete(repository: string): Promise<boolean> {
  const list = await getManifest(registry.url, repository, 'x');
  if (list === undefined) return false;
  const { manifests } = JSON.parse(list.bytes.toString()) as { manifests: { digest: string }[] };
  for (const { digest } of manifests) {
    const child = await getManifest(registry.url, repository, digest);
    const { config, layers } = JSON.parse(child?.bytes.toString() ?? '{}') as {
      config: { digest: string };
      layers: { digest: string }[];
    };
    for (const blob of [config, ...layers]) {
      const { status } = await fetch(`${registry.url}/v2/${repository}/blobs/${blob.digest}`, { method: 'HEAD' });
      expect([repository, blob.digest, status]).toEqual([repository, blob.digest, 200]);
    }
  }
  expect(manifests).toHaveLength(tags.length);
  return true;
}

test('an interrupt ends cleanly, with its own exit code, and leaves no lock', async () => {
  const { workspace, env } = await freshWorkspace();
  const silent = await startSilent();
  try {
    const { child, ended } = startMlist(['create', at('team/app:interrupted'), `${silent.host}/a:b`], env);
    await silent.asked;
    child.kill('SIGINT');
    const { code, stderr } = await ended;
    expect([code, stderr]).toEqual([130, expect.stringContaining('interrupted')]);
    expect(await workspace.find(at('team/app:interrupted'))).toBeUndefined();
    await expect(readFile(join(workspace.folder, 'locks', 'x'))).rejects.toThrow();
  } finally {
    silent.close();
  }
}, 60_000);

/** A server that takes a request and never answers. */
async function startSilent(): Promise<{
  readonly host: string;
  readonly asked: Promise<void>;
  readonly close: () => void;
}> {
  const { createServer } = await import('node:http');
  let tell: () => void = () => undefined;
  const asked = new Promise<void>((resolve) => (tell = resolve));
  const server = createServer(() => tell());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    host: `127.0.0.1:${port}`,
    asked,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
