import { readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { RecordingProxy } from '../support/recording-proxy.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { runMlist, startMlist, type Started } from '../support/mlist.ts';
import { temporaryFolder } from '../support/cli-harness.ts';

let registry: RunningRegistry;
beforeAll(async () => {
  registry = await startRegistry();
  for (const tag of ['one', 'two']) await pushImage(registry.url, 'app', tag, makeImage({ salt: tag }));
});
afterAll(() => registry.close());

const HOUR_MS = 60 * 60 * 1000;

/** The environment of a process with a clock that is wrong by this number of milliseconds. */
function clockWrongBy(milliseconds: number): Readonly<Record<string, string>> {
  const program = `const Right = Date; globalThis.Date = class extends Right {
    constructor(...args) { super(...(args.length > 0 ? args : [Right.now() + ${milliseconds}])); }
    static now() { return Right.now() + ${milliseconds}; }
  };`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(program)}` };
}

interface Holding extends Started {
  readonly archive: string;
  readonly lock: string;
  /** Lets the command continue. */
  readonly release: () => void;
  readonly end: () => Promise<void>;
}

/** Starts a command that writes an archive, and holds its lock until it is released. */
async function startHolding(env: Readonly<Record<string, string>> = {}): Promise<Holding> {
  const folder = await temporaryFolder();
  const proxy = await RecordingProxy.start({ upstream: registry.url });
  const { promise: isAsked, resolve: ask } = withResolvers();
  const { promise: isReleased, resolve: release } = withResolvers();
  proxy.on(/^GET .*blobs/, async (exchange) => {
    ask();
    await isReleased;
    await exchange.pass();
  });
  const archive = join(folder, 'app.tar');
  const { child, ended } = startMlist(['copy', `${proxy.host}/app:one`, `oci-archive:${archive}:one`], {
    MLIST_WORKSPACE: join(folder, 'holder'),
    ...env,
  });
  const end = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
    await proxy.close();
  };
  await isAsked;
  return { child, ended, archive, lock: join(folder, '.app.tar.lock'), release, end };
}

function withResolvers() {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => (resolve = settle));
  return { promise, resolve };
}

function copyAnother(archive: string, seconds: number, env: Readonly<Record<string, string>> = {}) {
  const args = ['copy', `${registry.host}/app:two`, `oci-archive:${archive}:two`, '--deadline', `${seconds}s`];
  return runMlist(args, { MLIST_WORKSPACE: join(archive, '..', 'other'), ...env });
}

/** Changes a lock to one of another machine, for which only the heartbeat shows whether the holder is alive. */
async function moveElsewhere(lock: string): Promise<void> {
  const holder = JSON.parse(await readFile(lock, 'utf8')) as object;
  await writeFile(lock, JSON.stringify({ ...holder, host: 'elsewhere' }));
}

const withSignals = process.platform === 'win32' ? describe.skip : describe;

withSignals('a lock', () => {
  // A lock without a heartbeat expires after more than 20 seconds.
  test('of a killed process is broken at once', async () => {
    const { child, ended, archive, end } = await startHolding();
    try {
      child.kill('SIGKILL');
      await ended;
      expect(await copyAnother(archive, 20)).toMatchObject({ code: 0 });
      expect(await readdir(join(archive, '..'))).not.toContainEqual(expect.stringContaining('lock'));
    } finally {
      await end();
    }
  });

  test('of a suspended process is acquired by another one, and the suspended process then changes nothing', async () => {
    const { child, ended, archive, lock, release, end } = await startHolding();
    try {
      child.kill('SIGSTOP');
      const expired = new Date((await stat(lock)).mtimeMs - 31_000);
      await utimes(lock, expired, expired);
      expect(await copyAnother(archive, 20)).toMatchObject({ code: 0 });
      const written = await readFile(archive);
      child.kill('SIGCONT');
      release();
      const { code, stdout, stderr } = await ended;
      expect({ code, stdout }).toEqual({ code: 5, stdout: '' });
      expect(stderr).toContain('app.tar: another process has taken over its lock');
      expect(await readFile(archive)).toEqual(written);
      expect(await readdir(join(archive, '..'))).not.toContainEqual(expect.stringMatching(/lock|tmp/));
    } finally {
      await end();
    }
  });

  test('of another machine with a heartbeat is not broken, even if the clocks of the machines differ', async () => {
    const { archive, lock, end } = await startHolding(clockWrongBy(-HOUR_MS));
    try {
      await moveElsewhere(lock);
      const [held, { mtimeMs }] = [await readFile(lock, 'utf8'), await stat(lock)];
      while ((await stat(lock)).mtimeMs === mtimeMs) await sleep(50);
      expect(await copyAnother(archive, 3, clockWrongBy(HOUR_MS))).toMatchObject({ code: 7 });
      expect(await readFile(lock, 'utf8')).toBe(held);
    } finally {
      await end();
    }
  });
});
