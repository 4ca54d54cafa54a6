import { existsSync } from 'node:fs';
import { access, chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { canMount, fill, makeReadOnly, mountDisk } from '../support/disks.ts';
import { RecordingProxy } from '../support/recording-proxy.ts';
import { getManifest, makeImage, pushImage } from '../support/images.ts';
import { cleanup } from '../support/cleanup.ts';
import { runMlist } from '../support/mlist.ts';
import { CliHarness, type CliResult } from '../support/cli-harness.ts';

/** A push in a workspace that is not writable fails only after the list is published, and reports that. */
let registry: RunningRegistry;
let cli: CliHarness;
let folder: string;
let workspace: string;
let list: string;
let count = 0;
beforeAll(async () => {
  registry = await startRegistry();
  await pushImage(registry.url, 'team/app', 'amd64', makeImage({ salt: 'a' }));
});
afterAll(() => registry.close());
beforeEach(async () => {
  cli = await CliHarness.make();
  ({ folder, workspace } = cli);
  list = `${registry.host}/team/app:list${(count += 1)}`;
});

const run = (...args: readonly string[]): Promise<CliResult> => cli.run(args);
const must = (...args: readonly string[]): Promise<string> => cli.must(...args);

const draft = () => must('create', list, `${registry.host}/team/app:amd64`);
const served = async () => (await getManifest(registry.url, 'team/app', list.slice(list.lastIndexOf(':') + 1)))?.digest;

interface Case {
  readonly name: string;
  /** The reason why the workspace cannot be written. */
  readonly reason: string;
  readonly prepare?: () => Promise<unknown>;
  readonly makeUnwritable: () => Promise<unknown>;
  readonly restore?: () => Promise<unknown>;
}

async function setMode(mode: number): Promise<void> {
  for (const name of ['.', 'drafts', 'locks']) await chmod(join(workspace, name), mode);
}

const isRoot = process.getuid?.() === 0;
const mounts = await canMount();
const cases: readonly (Case & { readonly isPossible: boolean })[] = [
  {
    name: 'with a file in the place of its locks',
    reason: 'a file with this name already exists (EEXIST)',
    isPossible: true,
    makeUnwritable: async () => [
      await rm(join(workspace, 'locks'), { recursive: true }),
      await writeFile(join(workspace, 'locks'), ''),
    ],
  },
  {
    name: 'that may only be read',
    reason: 'permission denied (EACCES)',
    isPossible: process.platform !== 'win32' && !isRoot,
    makeUnwritable: () => setMode(0o555),
    restore: () => setMode(0o755),
  },
  {
    name: 'on a read-only file system',
    reason: 'the file system is read-only (EROFS)',
    isPossible: mounts,
    prepare: () => mountDisk(workspace),
    makeUnwritable: () => Promise.resolve(makeReadOnly(workspace)),
  },
  {
    name: 'on a full file system',
    reason: 'the disk is full (ENOSPC)',
    isPossible: mounts,
    prepare: () => mountDisk(workspace),
    makeUnwritable: () => fill(workspace),
  },
];

describe.each(cases)('a workspace $name', ({ reason, isPossible, prepare, makeUnwritable, restore }) => {
  const possible = isPossible ? test : test.skip;
  const warning = () => `cannot write ${join(workspace, 'locks')}: ${reason}`;
  beforeEach(async () => {
    if (!isPossible) return;
    await prepare?.();
    await draft();
  });
  afterEach(async () => {
    if (isPossible) await restore?.();
  });

  possible('push prints the digest and writes its files; that it cannot record the push is a warning', async () => {
    await makeUnwritable();
    const [digestFile, metadataFile] = [join(folder, 'digest'), join(folder, 'metadata')];
    const { code, stdout, stderr } = await run('push', '--digest-file', digestFile, '--metadata-file', metadataFile);
    const digest = await served();
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${digest}\n` });
    expect(stderr).toContain(`pushed ${list} ${digest}`);
    expect(stderr).toContain(`warning: cannot record in the workspace that ${digest} was pushed: ${warning()}`);
    expect(stderr).not.toContain('mlist: ');
    expect(await readFile(digestFile, 'utf8')).toBe(`${digest}\n`);
    expect(JSON.parse(await readFile(metadataFile, 'utf8'))).toMatchObject({ 'image.name': list });
  });

  possible('push --purge reports that the draft is still there', async () => {
    await makeUnwritable();
    const { code, stdout, stderr } = await run('push', '--purge', '--json');
    expect(code).toBe(0);
    const pushed = { ref: list, digest: await served(), purged: false, targets: [{ ref: list, status: 'pushed' }] };
    expect(JSON.parse(stdout)).toMatchObject(pushed);
    const events = stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; message?: string });
    expect(events.filter(({ type }) => type === 'warning').map(({ message }) => message)).toEqual([
      expect.stringContaining('cannot record in the workspace'),
      `cannot remove the draft ${list}: ${warning()}`,
    ]);
    expect(events.some(({ type }) => type === 'error')).toBe(false);
    await access(join(workspace, 'drafts'));
  });

  possible('what is drafted first is not pushed where it cannot be written', async () => {
    await makeUnwritable();
    expect(await run('annotate', list, '--index-annotation', 'a=b', '--push')).toMatchObject({ code: 1, stdout: '' });
    expect(await served()).toBeUndefined();
  });
});

(existsSync('/dev/full') ? test : test.skip)(
  'one file that cannot be written does not keep the other back',
  async () => {
    await draft();
    const metadata = join(folder, 'metadata');
    const { code, stdout, stderr } = await run('push', '--digest-file', '/dev/full', '--metadata-file', metadata);
    const digest = await served();
    expect({ code, stdout }).toEqual({ code: 1, stdout: `${digest}\n` });
    expect(stderr).toContain('mlist: --digest-file /dev/full cannot be written: the disk is full (ENOSPC)');
    expect(JSON.parse(await readFile(metadata, 'utf8'))).toMatchObject({ 'containerimage.digest': digest });
  },
);

test('a draft of a published list: the hint says how to push after an edit', async () => {
  await draft();
  await must('push', '--purge');
  await must('create', list, `docker://${list}`);
  await must('annotate', '--index-annotation', 'a=b');
  await rm(join(workspace, 'locks'), { recursive: true });
  await writeFile(join(workspace, 'locks'), '');
  const { code, stdout, stderr } = await run('push');
  const digest = stdout.trim();
  expect({ code, digest }).toEqual({ code: 0, digest: await served() });
  const hint = `--if-digest ${digest}`;
  expect(stderr).toContain(`cannot record the push in the draft ${list}: `);
  expect(stderr).toContain(`; after the next edit, push the draft with "${hint}"`);
  await rm(join(workspace, 'locks'));
  await must('annotate', '--index-annotation', 'a=c');
  expect(await run('push')).toMatchObject({ code: 5 });
  await must('push', '--if-digest', digest);
});

(mounts ? test : test.skip)('an edit in the registry whose temporary folder cannot be removed', async () => {
  await draft();
  await must('push', '--purge');
  const proxy = cleanup(await RecordingProxy.start({ upstream: registry.url }));
  proxy.on(/^PUT .*manifests/, async ({ pass }) => {
    for (const name of await readdir(folder))
      if (name.startsWith('mlist-edit-')) await mountDisk(join(folder, name, 'busy'));
    return pass();
  });
  const name = `docker://${proxy.host}/team/app:${list.slice(list.lastIndexOf(':') + 1)}`;
  const args = ['annotate', name, '--index-annotation', 'a=b', '--push'];
  const { code, stdout, stderr } = await runMlist(args, { MLIST_WORKSPACE: workspace, TMPDIR: folder });
  expect({ code, stdout: stdout.trim() }).toEqual({ code: 0, stdout: await served() });
  expect(stderr).toMatch(/warning: cannot remove the temporary folder \S+mlist-edit-/);
});
