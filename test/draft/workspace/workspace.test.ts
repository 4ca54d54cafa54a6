import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { fileNameOf } from '../../../src/draft/workspace/workspace.ts';
import {
  formatReference,
  locateWorkspace,
  parseDigest,
  parseReference,
  Workspace,
  type Draft,
} from '../../../src/index.ts';
import { temporaryFolder } from '../../support/cli-harness.ts';

const digest = parseDigest(`sha256:${'ab'.repeat(32)}`);
const draft = (list: string): Draft => ({
  version: 1,
  list,
  format: 'auto',
  entries: [
    {
      source: 'docker.io/library/a:b',
      mediaType: 'a/b',
      digest,
      size: 1,
      detected: { architecture: 'amd64', os: 'linux' },
    },
  ],
});
const NAME = 'docker.io/username/test:latest';

async function workspaceWith(...lists: readonly string[]): Promise<Workspace> {
  const workspace = new Workspace(join(await temporaryFolder(), 'ws'));
  for (const list of lists) await workspace.update(list, () => draft(list));
  return workspace;
}

describe('file names', () => {
  test.each([
    ['docker.io/username/test:latest', 'docker.io%2Fusername%2Ftest%3Alatest'],
    ['localhost:5000/a:V1', 'localhost%3A5000%2Fa%3A%561'],
    ['con.io/a:b', '%63on.io%2Fa%3Ab'],
    ['lpt1.example/a:b', '%6Cpt1.example%2Fa%3Ab'],
    ['[::1]:5000/a:b', '%5B%3A%3A1%5D%3A5000%2Fa%3Ab'],
  ])('%s lies in %s', (list, name) => {
    expect(fileNameOf(list)).toBe(name);
  });

  const reserved = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)/i;
  const reference = fc
    .tuple(
      fc.constantFrom('docker.io', 'Docker.io', 'con.io', 'CON.io', 'nul:1', 'x.io', '[::1]:5000'),
      fc.stringMatching(/^[a-z0-9]{1,3}(?:[._/-][a-z0-9]{1,3}){0,3}$/),
      fc.stringMatching(/^\w[\w.-]{0,8}$/),
    )
    .map(([domain, path, tag]) => `${domain}/${path}:${tag}`);

  test('no two references share one, on no file system', () => {
    fc.assert(
      fc.property(fc.uniqueArray(reference, { maxLength: 30 }), (lists) => {
        const names = lists.map((list) => fileNameOf(list).toLowerCase());
        expect(new Set(names).size).toBe(lists.length);
      }),
    );
  });

  test('every name is one that every file system takes', () => {
    fc.assert(
      fc.property(reference, (list) => {
        const name = fileNameOf(list);
        expect(name).toMatch(/^[a-z0-9%A-F._~-]+$/);
        expect(name.length).toBeLessThanOrEqual(200);
        expect(name).not.toMatch(reserved);
      }),
    );
  });

  test('the longest reference has a name, and its neighbour another', () => {
    const long = (last: string) => `registry.example.com:5000/${'a'.repeat(254)}${last}:${'t'.repeat(128)}`;
    expect(fileNameOf(long('a')).length).toBeLessThanOrEqual(200);
    expect(fileNameOf(long('a'))).not.toBe(fileNameOf(long('b')));
    expect(formatReference(parseReference(long('a')))).toBe(long('a'));
  });
});

describe('drafts on disk', () => {
  test('names that differ only in case, or that docker would mix up, stay apart', async () => {
    const lists = ['x.io/a_b:1', 'x.io/a/b:1', 'x.io/x-y:1', 'x.io/x:y-1', 'x.io/a:v1', 'x.io/a:V1', 'X.io/a:v1'];
    const workspace = await workspaceWith(...lists);
    for (const list of lists) expect((await workspace.load(list)).list).toBe(list);
    expect((await workspace.all()).length).toBe(lists.length);
  });

  test('truncated at every byte, a draft is named, hides no other, and can be removed', async () => {
    const workspace = await workspaceWith(NAME, 'x.io/other:1');
    const path = workspace.pathOf(NAME);
    const whole = await readFile(path);
    for (let length = 0; length < whole.length; length += 1) {
      await writeFile(path, whole.subarray(0, length));
      await expect(workspace.load(NAME)).rejects.toMatchObject({
        code: 'ERR_MLIST_DRAFT_DAMAGED',
        exitCode: 3,
        facts: { path },
      });
      expect((await workspace.load('x.io/other:1')).list).toBe('x.io/other:1');
      expect((await workspace.all()).map((one) => 'error' in one)).toEqual([true, false]);
    }
    await expect(workspace.update(NAME, () => draft(NAME))).rejects.toMatchObject({ code: 'ERR_MLIST_DRAFT_DAMAGED' });
    expect((await readFile(path)).length).toBe(whole.length - 1);
    await workspace.remove(NAME);
    await expect(workspace.load(NAME)).rejects.toMatchObject({ code: 'ERR_MLIST_DRAFT_NOT_FOUND', exitCode: 4 });
  });

  test.each<[string, (text: string) => string, RegExp]>([
    [
      'the draft of another list',
      (text) => text.replace('username/test', 'username/else'),
      /names .* but this is the file of/,
    ],
    ['an unknown member', (text) => text.replace('"version"', '"x": 1, "version"'), /unknown member at \/x/],
    ['another version', (text) => text.replace('"version": 1', '"version": 2'), /must be 1 at \/version/],
    ['a wrong digest', (text) => text.replace('sha256:ab', 'sha256:AB'), /at \/entries\/0\/digest/],
    [
      'a source that is none',
      (text) => text.replace('library/a', 'library/A'),
      /is not a location at \/entries\/0\/source/,
    ],
    ['a duplicate member', (text) => text.replace('"version"', '"format": "oci", "version"'), /duplicate member/],
    ['a list without a tag', (text) => text.replace('test:latest', 'test'), /canonical reference/],
  ])('%s is refused', async (_name, change, reason) => {
    const workspace = await workspaceWith(NAME);
    const path = workspace.pathOf(NAME);
    await writeFile(path, change(await readFile(path, 'utf8')));
    await expect(workspace.load(NAME)).rejects.toMatchObject({
      code: 'ERR_MLIST_DRAFT_DAMAGED',
      message: expect.stringMatching(reason) as unknown,
    });
  });

  test('a file that is in the place of another is named', async () => {
    const workspace = await workspaceWith(NAME);
    const text = await readFile(workspace.pathOf(NAME), 'utf8');
    await writeFile(join(workspace.folder, 'drafts', 'elsewhere.json'), text);
    const [, stray] = await workspace.all();
    expect(stray).toMatchObject({ name: 'elsewhere', error: { code: 'ERR_MLIST_DRAFT_DAMAGED' } });
  });

  test('strangers in the folder are left alone', async () => {
    const workspace = await workspaceWith(NAME);
    await writeFile(join(workspace.folder, 'drafts', '.DS_Store'), 'x');
    await mkdir(join(workspace.folder, 'drafts', 'sub'));
    expect(await workspace.all()).toHaveLength(1);
  });

  test('an edit that changes nothing writes nothing', async () => {
    const workspace = await workspaceWith(NAME);
    expect(await workspace.update(NAME, (before) => before)).toMatchObject({ changed: false });
    expect(await workspace.update(NAME, () => draft(NAME))).toMatchObject({ changed: false });
    expect(await workspace.update(NAME, () => ({ ...draft(NAME), format: 'oci' }))).toMatchObject({ changed: true });
  });

  test('a draft that was edited meanwhile is not removed', async () => {
    const workspace = await workspaceWith(NAME);
    const before = await workspace.load(NAME);
    await workspace.update(NAME, (now) => now && { ...now, format: 'oci' });
    expect(await workspace.remove(NAME, before)).toBe(false);
    expect(await workspace.remove(NAME, await workspace.load(NAME))).toBe(true);
  });

  test('nothing is left in the lock folder', async () => {
    const workspace = await workspaceWith(NAME);
    expect(await readdir(join(workspace.folder, 'locks'))).toEqual([]);
  });
});

describe('where the workspace is', () => {
  async function place() {
    const home = await temporaryFolder();
    const cwd = join(home, 'a', 'b');
    await mkdir(cwd, { recursive: true });
    const uid = process.getuid?.();
    return { home, cwd, options: { env: {}, cwd, home, platform: 'linux', uid } as const };
  }

  test('--workspace, then MLIST_WORKSPACE', async () => {
    const { cwd, options } = await place();
    expect(await locateWorkspace({ ...options, workspace: 'x', env: { MLIST_WORKSPACE: '/y' } })).toBe(join(cwd, 'x'));
    expect(await locateWorkspace({ ...options, env: { MLIST_WORKSPACE: '/y' } })).toBe('/y');
  });

  test('the nearest .mlist upwards, as far as home', async () => {
    const { home, options } = await place();
    await mkdir(join(home, 'a', '.mlist'));
    expect(await locateWorkspace(options)).toBe(join(home, 'a', '.mlist'));
    await mkdir(join(home, 'a', 'b', '.mlist'));
    expect(await locateWorkspace(options)).toBe(join(home, 'a', 'b', '.mlist'));
  });

  test('not above home', async () => {
    const { home, options } = await place();
    await mkdir(join(home, '.mlist'));
    const inner = { ...options, home: join(home, 'a') };
    expect(await locateWorkspace(inner)).toBe(join(home, 'a', '.local', 'share', 'mlist'));
  });

  test.each([
    ['linux', {}, ['.local', 'share', 'mlist']],
    ['darwin', {}, ['Library', 'Application Support', 'mlist']],
    ['win32', {}, ['AppData', 'Local', 'mlist']],
  ] as const)("the user's own on %s", async (platform, env, names) => {
    const { home, options } = await place();
    expect(await locateWorkspace({ ...options, platform, env })).toBe(join(home, ...names));
  });

  test('XDG_DATA_HOME', async () => {
    const { options } = await place();
    expect(await locateWorkspace({ ...options, env: { XDG_DATA_HOME: '/x' } })).toBe('/x/mlist');
  });

  test('a folder of another user is refused', async () => {
    const { home, options } = await place();
    await mkdir(join(home, '.mlist'));
    await expect(locateWorkspace({ ...options, uid: 12345 })).rejects.toMatchObject({
      code: 'ERR_MLIST_WORKSPACE',
      exitCode: 3,
    });
  });

  test('a link to a folder counts as that folder', async () => {
    const { home, cwd, options } = await place();
    await mkdir(join(home, 'real'));
    await symlink(join(home, 'real'), join(cwd, '.mlist'));
    expect(await locateWorkspace(options)).toBe(join(cwd, '.mlist'));
  });
});
