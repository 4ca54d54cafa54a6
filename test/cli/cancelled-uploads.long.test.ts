import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { programPath, startDockerRegistry } from '../support/docker-registry.ts';
import { answer, RecordingProxy, hang, type Rule } from '../support/recording-proxy.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { cleanup } from '../support/cleanup.ts';
import { withTimeLimit } from '../support/limits.ts';
import { casesOf } from '../support/long.ts';
import { startMlist, type Ended, type Started } from '../support/mlist.ts';
import { temporaryFolder } from '../support/cli-harness.ts';

/** A registry stores an upload until it is finished or cancelled. A command that ends early cancels its uploads. */
const UPLOADS = 4;
const image = makeImage({ kind: 'oci', layers: UPLOADS - 1 });

interface Target {
  readonly url: string;
  readonly folder: string;
  close(): Promise<void>;
}

async function embedded(): Promise<Target> {
  const folder = await temporaryFolder();
  return { ...(await startRegistry({ dir: folder })), folder };
}

async function distribution(): Promise<Target> {
  const { folder = '', ...registry } = await startDockerRegistry();
  return { ...registry, folder };
}

/** The files in which registries keep unfinished uploads. */
async function unfinished({ folder }: Target): Promise<readonly string[]> {
  const names = await readdir(folder, { recursive: true });
  return names.filter((name) => /\.blob\.\w+\.tmp$|_uploads\/[^/]+\/(?:data|startedat)$/.test(name));
}

let source: RunningRegistry;
beforeAll(async () => {
  source = await startRegistry();
  await pushImage(source.url, 'app', 'v1', image);
});
afterAll(() => source.close());

const kinds = [
  ['the embedded registry', embedded],
  ['docker-registry', programPath('docker-registry') === undefined ? undefined : distribution],
] as const;

describe.each(casesOf(kinds, 2))('uploads to %s', (_name, start) => {
  const each = start === undefined ? test.skip : test;
  let target: Target;
  let proxy: RecordingProxy;
  const renew = async (): Promise<void> => {
    if (start === undefined) return;
    target = cleanup(await start());
    proxy = cleanup(await RecordingProxy.start({ upstream: target.url }));
  };
  beforeEach(renew);

  /** Starts a copy whose uploads get no answer, except the last one, which the rule answers. `hanging` resolves when all are open. */
  async function copying(
    options: readonly string[] = [],
    last: Rule = hang,
  ): Promise<Started & { readonly hanging: Promise<void> }> {
    let isHanging: () => void = () => undefined;
    const hanging = new Promise<void>((resolve) => (isHanging = resolve));
    proxy.on(/^PUT .*uploads/, (exchange) => {
      if (!areOpen()) return hang(exchange);
      isHanging();
      return last(exchange);
    });
    const args = ['copy', `${source.host}/app:v1`, `${proxy.host}/app:v1`, '--retries', '0', ...options];
    const folder = await temporaryFolder();
    return { ...startMlist(args, { HOME: folder, MLIST_WORKSPACE: join(folder, 'workspace') }), hanging };
  }

  const areOpen = () => proxy.requestsMatching(/^PUT .*uploads/).length >= UPLOADS;

  /** Runs a copy into a time limit while all uploads are open. */
  const limited = (option: string): Promise<Ended> =>
    withTimeLimit(async (limit) => {
      await renew();
      const result = await (await copying([option, limit])).ended;
      return areOpen() ? result : undefined;
    }, 1200);

  async function expectCancelled(): Promise<void> {
    const opened = proxy.requestsMatching(/^POST .*uploads/).filter(({ status }) => status === 202);
    expect(opened).not.toEqual([]);
    expect(proxy.requestsMatching(/^DELETE .*uploads/)).toHaveLength(opened.length);
    for (let tries = 0; tries < 100 && (await unfinished(target)).length > 0; tries += 1) await sleep(50);
    expect(await unfinished(target)).toEqual([]);
  }

  each.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('are cancelled after %s', async (signal, code) => {
    const { child, ended, hanging } = await copying();
    await hanging;
    expect(await unfinished(target)).not.toEqual([]);
    child.kill(signal);
    expect(await ended).toMatchObject({ code, stdout: '', stderr: expect.stringContaining('interrupted') as unknown });
    await expectCancelled();
  });

  each('are cancelled at the deadline', async () => {
    const { code, stderr } = await limited('--deadline');
    expect([code, stderr]).toEqual([
      7,
      expect.stringMatching(/the command did not finish within \S+: still waiting to upload/),
    ]);
    await expectCancelled();
  });

  each('are cancelled when the registry is silent for too long', async () => {
    const { code, stderr } = await limited('--timeout');
    expect([code, stderr]).toEqual([7, expect.stringContaining('did not respond in time')]);
    await expectCancelled();
  });

  each('are cancelled when another one fails, and the failure is reported', async () => {
    const { code, stderr } = await (await copying([], answer(403))).ended;
    expect([code, stderr]).toEqual([6, expect.stringContaining('HTTP 403')]);
    await expectCancelled();
  });

  each.each([
    ['the first', 1, { code: 130, signal: null }],
    ['the second', 2, { code: null, signal: 'SIGINT' }],
  ])('do not delay the %s interrupt if the registry does not answer', async (_name, interrupts, expected) => {
    const { child, ended, hanging } = await copying();
    const cancelling = new Promise<void>((resolve) => {
      proxy.on(/^DELETE/, (exchange) => {
        resolve();
        return hang(exchange);
      });
    });
    await hanging;
    child.kill('SIGINT');
    await cancelling;
    if (interrupts === 2) child.kill('SIGINT');
    expect(await ended).toMatchObject(expected);
  });
});
