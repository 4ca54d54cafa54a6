import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Draft } from '../../src/draft/draft.ts';
import { Workspace } from '../../src/draft/workspace/workspace.ts';
import { parseReference } from '../../src/oci/reference.ts';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { getManifest, makeImage, pushImage } from '../support/images.ts';
import { casesOf, isLong } from '../support/long.ts';
import { momentsOf, killAtStep } from '../support/killed-programs.ts';
import { startMlist } from '../support/mlist.ts';
import { temporaryFolder, CliHarness } from '../support/cli-harness.ts';

/** `kill -9` at a step: the stored content is the old or the new one, and the same command completes when it runs again. */

let registry: RunningRegistry;
let at: (name: string) => string;
const tags = Array.from({ length: isLong ? 6 : 3 }, (_, number) => `image${number}`);
beforeAll(async () => {
  registry = await startRegistry();
  at = (name) => `${registry.host}/${name}`;
  for (const [number, tag] of tags.entries()) {
    const platform = { architecture: 'arm', os: 'linux', variant: `v${number}` };
    await pushImage(registry.url, 'team/app', tag, makeImage({ salt: tag, platform, layers: 3 }));
  }
});
afterAll(() => registry.close());

async function fresh() {
  const folder = join(await temporaryFolder(), 'ws');
  const env = { MLIST_WORKSPACE: folder };
  return { workspace: new Workspace(folder), env, cli: await CliHarness.make({ env }) };
}

const sources = () => tags.map((tag) => at(`team/app:${tag}`));

describe('killed', () => {
  test('create: no draft, or a complete one', async () => {
    const { env } = await fresh();
    const moments = await momentsOf(['create', at('team/app:counted'), ...sources()], env);
    for (const moment of moments) {
      const { workspace, cli, env: own } = await fresh();
      const list = at('team/app:created');
      const args = ['create', list, ...sources()];
      await killAtStep(args, own, moment);
      const draft = await workspace.find(parseReference(list));
      expect([moment, draft?.entries.length]).toEqual([moment, draft && tags.length]);
      await cli.must(...args);
      expect((await workspace.load(parseReference(list))).entries).toHaveLength(tags.length);
    }
  });

  test('annotate: the old draft, or the new one', async () => {
    const { workspace, env, cli } = await fresh();
    const list = at('team/app:annotated');
    await cli.must('create', list, at('team/app:image1'));
    const moments = await momentsOf(['annotate', '--annotation', 'k=0'], env);
    const value = (draft: Draft) => draft.entries[0]?.set?.annotations?.['k'];
    for (const moment of moments) {
      const before = value(await workspace.load(parseReference(list)));
      const args = ['annotate', '--annotation', `k=${moment}`];
      await killAtStep(args, env, moment);
      expect([before, String(moment)]).toContain(value(await workspace.load(parseReference(list))));
      await cli.must(...args);
      expect(value(await workspace.load(parseReference(list)))).toBe(String(moment));
    }
  });

  test('push: no tag, or a complete one', async () => {
    const { env, cli } = await fresh();
    const list = at('team/app:pushed');
    await cli.must('create', list, ...sources());
    const moments = await momentsOf(['push', '--to', at('team/counted:x')], env);
    for (const moment of moments) {
      const repository = `team/pushed${moment}`;
      const args = ['push', list, '--to', at(`${repository}:x`)];
      await killAtStep(args, env, moment);
      await isComplete(repository);
      await cli.must(...args);
      expect(await isComplete(repository)).toBe(true);
    }
  });
});

describe('copy killed', () => {
  const image = makeImage({ salt: 'copied', kind: 'oci', layers: 4 });
  beforeAll(() => pushImage(registry.url, 'team/copied', 'v1', image));

  const targets: readonly (readonly [string, (folder: string, moment: number) => string])[] = [
    ['a registry', (_, moment) => at(`team/copy${moment}:v1`)],
    ['a layout', (folder, moment) => `oci:${join(folder, `layout${moment}`)}:v1`],
    ['an archive', (folder, moment) => `oci-archive:${join(folder, `archive${moment}.tar`)}:v1`],
  ];
  test.each(casesOf(targets, 2, 1))('to %s: no name, or a complete one', async (_, targetOf) => {
    const { env, cli } = await fresh();
    const from = at('team/copied:v1');
    const moments = await momentsOf(['copy', from, targetOf(cli.folder, 0)], env);
    let wholes = 0;
    const isWhole = async (target: string): Promise<boolean> => {
      if ((await cli.run(['exists', target])).code !== 0) return false;
      // Content with a missing part cannot be copied.
      wholes += 1;
      await cli.must('copy', target, `oci:onward${wholes}:v1`);
      return true;
    };
    for (const moment of moments) {
      const target = targetOf(cli.folder, moment);
      await killAtStep(['copy', from, target], env, moment);
      await isWhole(target);
      await cli.must('copy', from, target);
      expect(await isWhole(target)).toBe(true);
    }
  });
});

/** Whether the tag exists. If it does, all of its content must exist too. */
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

test('an interrupted command exits with its own code and leaves no lock', async () => {
  const { workspace, env } = await fresh();
  const silent = await startSilent();
  try {
    const { child, ended } = startMlist(['create', at('team/app:interrupted'), `${silent.host}/a:b`], env);
    await silent.requested;
    child.kill('SIGINT');
    const { code, stderr } = await ended;
    expect([code, stderr]).toEqual([130, expect.stringContaining('interrupted')]);
    expect(await workspace.find(parseReference(at('team/app:interrupted')))).toBeUndefined();
    await expect(readFile(join(workspace.folder, 'locks', 'x'))).rejects.toThrow();
  } finally {
    silent.close();
  }
});

/** A server that accepts requests and never answers. */
async function startSilent(): Promise<{
  readonly host: string;
  readonly requested: Promise<void>;
  readonly close: () => void;
}> {
  const { createServer } = await import('node:http');
  let onRequest: () => void = () => undefined;
  const requested = new Promise<void>((resolve) => (onRequest = resolve));
  const server = createServer(() => onRequest());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    host: `127.0.0.1:${port}`,
    requested,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
