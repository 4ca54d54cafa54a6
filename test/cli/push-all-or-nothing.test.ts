import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createClient, MlistError } from '../../src/index.ts';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { pushBuild } from '../support/buildx.ts';
import { cleanup } from '../support/cleanup.ts';
import { CliHarness } from '../support/cli-harness.ts';
import { getManifest, makeImage, pushImage, sha256 } from '../support/images.ts';
import { leaveUnanswered } from '../support/pending-requests.ts';
import { answer, RecordingProxy } from '../support/recording-proxy.ts';
import { expectFits } from '../support/schemas.ts';

/** `push --all-or-nothing`: no tag is moved before all targets have the content. */
let one: RunningRegistry;
let two: RunningRegistry;
let proxy: RecordingProxy;
let cli: CliHarness;
let count = 0;

const amd64 = makeImage({ kind: 'oci', salt: 'amd64' });
const arm64 = makeImage({ kind: 'oci', salt: 'arm64', platform: { architecture: 'arm64', os: 'linux' } });

beforeAll(async () => {
  [one, two] = await Promise.all([startRegistry(), startRegistry()]);
  for (const [tag, image] of Object.entries({ amd64, arm64 })) await pushImage(one.url, 'src/app', tag, image);
});
afterAll(() => Promise.all([one.close(), two.close()]));
beforeEach(async () => {
  count += 1;
  cli = await CliHarness.make();
  proxy = cleanup(await RecordingProxy.start({ upstream: two.url }));
});

const first = (tag = 'v1') => `${one.host}/to/app${count}:${tag}`;
const second = (tag = 'v1') => `${proxy.host}/to/app${count}:${tag}`;
const tagIn = async ({ url }: RunningRegistry, tag = 'v1') => (await getManifest(url, `to/app${count}`, tag))?.digest;
const targets = () => ['--to', first(), '--to', second()];

async function draft(...images: readonly string[]): Promise<void> {
  const sources = images.map((name) => `${one.host}/src/app:${name}`);
  await cli.must('create', `x.example/app:${count}`, ...sources, '--replace');
}

/** Pushes a first list to both targets, then drafts another one. */
async function published(): Promise<string> {
  await draft('amd64');
  const digest = await cli.must('push', ...targets());
  await draft('amd64', 'arm64');
  return digest;
}

interface Failed {
  readonly type: string;
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly targets?: readonly { readonly ref: string; readonly status: string }[];
}

async function failure(
  ...args: readonly string[]
): Promise<{ readonly code: number; readonly errors: readonly Failed[] }> {
  const { code, stderr } = await cli.run([...args, '--json', '--retries', '0']);
  const lines = stderr.trim().split('\n');
  for (const line of lines) expectFits('event', line);
  return { code, errors: lines.map((line) => JSON.parse(line) as Failed).filter(({ type }) => type === 'error') };
}

const statuses = (errors: readonly Failed[]) => errors.at(-1)?.targets?.map(({ ref, status }) => [ref, status]);

describe('a push to two registries', () => {
  test('moves the tags when both have the content, and stores the list by its digest before that', async () => {
    await draft('amd64', 'arm64');
    const digest = await cli.must('push', ...targets(), '-t', ':latest', '--all-or-nothing');
    for (const registry of [one, two])
      for (const tag of ['v1', 'latest']) expect(await tagIn(registry, tag)).toBe(digest);
    const puts = proxy.requests.filter(({ method, path }) => method === 'PUT' && path.includes('/manifests/'));
    expect(
      puts
        .slice(0, 3)
        .map(({ path }) => path.slice(path.lastIndexOf('/') + 1))
        .sort(),
    ).toEqual([amd64.digest, arm64.digest, digest].sort());
    expect((await cli.run(['push', ...targets(), '--all-or-nothing'])).stderr).toMatch(/^unchanged .*\nunchanged /m);
  });

  test.each<[string, RegExp, number, number]>([
    ['a blob', /^(?:POST|PUT) .*\/blobs\//, 500, 7],
    ['a child', new RegExp(`^PUT .*/manifests/${arm64.digest}`), 500, 7],
    ['the list, which the target refuses by its digest', /^never/, 403, 6],
  ])('if %s cannot be stored, moves no tag', async (name, pattern, status, code) => {
    const before = await published();
    const digest = await cli.must('digest', `x.example/app:${count}`);
    proxy.on(name.startsWith('the list') ? new RegExp(`^PUT .*/manifests/${digest}`) : pattern, answer(status));
    const result = await failure('push', ...targets(), '--all-or-nothing');
    expect([await tagIn(one), await tagIn(two)]).toEqual([before, before]);
    expect(result.code).toBe(code);
    expect(result.errors).toHaveLength(1);
    expect(result.errors[0]?.message).toMatch(/; no tag was changed$/);
    expect(statuses(result.errors)).toEqual([
      [first(), 'not-pushed'],
      [second(), 'not-pushed'],
    ]);
    // Without the option, the first target is independent of the second.
    await failure('push', ...targets());
    expect(await tagIn(one)).toBe(digest);
  });

  test.each([
    ['a condition', ['--if-digest', sha256(amd64.bytes)], 5],
    ['a registry that is not reached', ['--to', '127.0.0.1:1/app:v1'], 7],
  ])('moves no tag because of %s', async (_name, args, code) => {
    const before = await published();
    expect((await failure('push', ...targets(), ...args, '--all-or-nothing')).code).toBe(code);
    expect([await tagIn(one), await tagIn(two)]).toEqual([before, before]);
  });

  test('a target that has the list already does not hold the others back', async () => {
    await draft('amd64');
    await cli.must('push', '--to', first());
    const digest = await cli.must('push', ...targets(), '--all-or-nothing');
    expect(await tagIn(two)).toBe(digest);
  });

  test('a layout and an archive beside a registry', async () => {
    await draft('amd64');
    const files = ['oci:layout:v1', 'oci-archive:list.tar:v1'];
    const digest = await cli.must('push', ...files.flatMap((file) => ['--to', file]), ...targets(), '--all-or-nothing');
    for (const file of files) expect(await cli.must('digest', file)).toBe(digest);
    expect(await tagIn(two)).toBe(digest);
    const { manifests } = JSON.parse(await readFile(join(cli.folder, 'layout', 'index.json'), 'utf8')) as {
      manifests: readonly object[];
    };
    expect(manifests).toHaveLength(1);
    await draft('amd64', 'arm64');
    proxy.on(/^PUT .*\/manifests\//, answer(500));
    await failure('push', ...files.flatMap((file) => ['--to', file]), ...targets(), '--all-or-nothing');
    for (const file of files) expect(await cli.must('digest', file)).toBe(digest);
  });

  test('leaves missing attestations out at all targets', async () => {
    const built = await pushBuild(two.url, `src/built${count}`, 'v1', [{ architecture: 'amd64', os: 'linux' }]);
    await cli.must('create', `x.example/app:${count}`, `${proxy.host}/src/built${count}:v1`);
    await rm(join(cli.workspace, 'cache'), { recursive: true, force: true });
    proxy.on(new RegExp(`src/built.*${built.attestations[0]?.digest}`), answer(404));
    const { code, stderr } = await cli.run(['push', ...targets(), '--all-or-nothing']);
    expect([code, stderr]).toEqual([0, expect.stringMatching(/attestation/)]);
    expect(await tagIn(one)).toBe(await tagIn(two));
  });

  test('reports which tags were moved if a tag cannot be, and how to move them back', async () => {
    const before = await published();
    proxy.on(/^PUT .*\/manifests\/v1$/, answer(403));
    const result = await failure('push', ...targets(), '-t', first('new'), '--all-or-nothing');
    const digest = await tagIn(one);
    expect([digest === before, await tagIn(two)]).toEqual([false, before]);
    expect(result.code).toBe(6);
    const [error] = result.errors;
    expect(error?.message).toContain(
      `; pushed: ${first()}@${digest}, ${first('new')}@${digest}; not pushed: ${second()}@`,
    );
    expect(error?.hint).toContain('Run the same command again to move the other tags.');
    const undo = `mlist copy ${first().replace(/:v1$/, '')}@${before} ${first()} --if-digest ${digest}`;
    expect(error?.hint).toContain(`"${undo}"`);
    expect(error?.hint).toContain(`"mlist delete ${first('new')}@${digest}"`);
    expect(statuses(result.errors)).toEqual([
      [first(), 'pushed'],
      [first('new'), 'pushed'],
      [second(), 'not-pushed'],
    ]);
    proxy.on(/./, ({ pass }) => pass());
    expect(await cli.must('push', ...targets(), '--all-or-nothing')).toBe(digest);
    expect(await tagIn(two)).toBe(digest);
  });

  test('the commands that move tags back work, and tags of a layout have none', async () => {
    const before = await published();
    await cli.must('copy', first(), 'oci:layout:old');
    proxy.on(/^PUT .*\/manifests\/v1$/, answer(403));
    const layout = ['--to', 'oci:layout:old', '--to', 'oci:layout:new'];
    const { errors } = await failure('push', ...targets(), '-t', first('new'), ...layout, '--all-or-nothing');
    const commands = [...(errors[0]?.hint ?? '').matchAll(/"mlist ((?:copy|delete) [^"]*)"/g)];
    expect(commands).toHaveLength(2);
    for (const [, command = ''] of commands) await cli.must(...command.split(' '));
    expect(await tagIn(one)).toBe(before);
    expect((await cli.run(['digest', first('new')])).code).toBe(4);
  });

  test('an interrupt while one target still receives content moves no tag', async () => {
    const before = await published();
    const interrupt = new AbortController();
    const sent = leaveUnanswered(proxy, /^PUT .*\/manifests\/sha256/);
    const running = cli.run(['push', ...targets(), '--all-or-nothing'], { signal: interrupt.signal });
    await sent;
    interrupt.abort(new MlistError('ERR_MLIST_INTERRUPTED', 'interrupted'));
    const { code, stderr } = await running;
    expect([code, stderr]).toEqual([130, expect.stringContaining('interrupted; no tag was changed')]);
    expect([await tagIn(one), await tagIn(two)]).toEqual([before, before]);
  });

  test('more targets than are pushed to at once', async () => {
    await draft('amd64');
    const many = Array.from({ length: 20 }, (_, at) => ['--to', `${one.host}/many/app${at}:v1`]).flat();
    const digest = await cli.must('push', ...many, '--all-or-nothing');
    expect((await getManifest(one.url, 'many/app19', 'v1'))?.digest).toBe(digest);
  });

  test('a dry run plans each target', async () => {
    await draft('amd64');
    const { stderr } = await cli.run(['push', ...targets(), '--all-or-nothing', '--dry-run']);
    expect(stderr).toContain(`plan for ${first()}`);
    expect(stderr).toContain(`plan for ${second()}`);
    expect(await tagIn(one)).toBeUndefined();
  });
});

test('the library has the option for an index in memory and for a draft', async () => {
  const client = cleanup(createClient({ retries: 0 }));
  proxy.on(/^POST .*\/blobs\//, answer(500));
  const options = { tags: [second()], allOrNothing: true };
  const index = await client.createIndex([`${one.host}/src/app:amd64`]);
  const error: unknown = await client.pushIndex(index, first(), options).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: 'ERR_MLIST_REGISTRY',
    facts: { targets: [{ status: 'not-pushed' }, { status: 'not-pushed' }] },
  });
  const drafts = client.drafts(cli.workspace);
  await drafts.create(first(), [`${one.host}/src/app:amd64`]);
  await expect(drafts.push(first(), options)).rejects.toMatchObject({ code: 'ERR_MLIST_REGISTRY' });
  expect(await tagIn(one)).toBeUndefined();
  proxy.on(/./, ({ pass }) => pass());
  const { descriptor } = await drafts.push(first(), options);
  expect([await tagIn(one), await tagIn(two)]).toEqual([descriptor.digest, descriptor.digest]);
});
