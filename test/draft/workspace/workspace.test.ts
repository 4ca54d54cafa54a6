import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { fileNameOf } from '../../../src/draft/workspace/workspace.ts';
import type { Draft } from '../../../src/draft/draft.ts';
import { locateWorkspace } from '../../../src/draft/workspace/locate-workspace.ts';
import { Workspace } from '../../../src/draft/workspace/workspace.ts';
import { parseDigest } from '../../../src/oci/digest.ts';
import { parseLocation } from '../../../src/oci/location.ts';
import { formatReference, parseReference, type Reference } from '../../../src/oci/reference.ts';
import { temporaryFolder } from '../../support/cli-harness.ts';
import { fc } from '../../support/seed.ts';

const digest = parseDigest(`sha256:${'ab'.repeat(32)}`);
const draft = (list: Reference): Draft => ({
  version: 1,
  list,
  format: 'auto',
  entries: [
    {
      source: parseLocation('docker.io/library/a:b'),
      mediaType: 'a/b',
      digest,
      size: 1,
      detected: { architecture: 'amd64', os: 'linux' },
    },
  ],
});
const NAME = parseReference('docker.io/username/test:latest');
const OTHER = parseReference('x.io/other:1');

async function workspaceWith(...lists: readonly Reference[]): Promise<Workspace> {
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
  ])('the draft %s is stored in %s', (list, name) => {
    expect(fileNameOf(parseReference(list))).toBe(name);
  });

  const reserved = /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)/i;
  const reference = fc
    .tuple(
      fc.constantFrom('docker.io', 'Docker.io', 'con.io', 'CON.io', 'nul:1', 'x.io', '[::1]:5000'),
      fc.stringMatching(/^[a-z0-9]{1,3}(?:[._/-][a-z0-9]{1,3}){0,3}$/),
      fc.stringMatching(/^\w[\w.-]{0,8}$/),
    )
    .map(([domain, path, tag]): Reference => ({ domain, path, tag }));

  test('different references have different names, also on file systems that ignore case', () => {
    fc.assert(
      fc.property(fc.uniqueArray(reference, { maxLength: 30, selector: formatReference }), (lists) => {
        const names = lists.map((list) => fileNameOf(list).toLowerCase());
        expect(new Set(names).size).toBe(lists.length);
      }),
    );
  });

  test('every name is valid on every file system', () => {
    fc.assert(
      fc.property(reference, (list) => {
        const name = fileNameOf(list);
        expect(name).toMatch(/^[a-z0-9%A-F._~-]+$/);
        expect(name.length).toBeLessThanOrEqual(200);
        expect(name).not.toMatch(reserved);
      }),
    );
  });

  test('long references have different names', () => {
    const text = (last: string) => `registry.example.com:5000/${'a'.repeat(254)}${last}:${'t'.repeat(128)}`;
    const long = (last: string) => parseReference(text(last));
    expect(fileNameOf(long('a')).length).toBeLessThanOrEqual(200);
    expect(fileNameOf(long('a'))).not.toBe(fileNameOf(long('b')));
    expect(formatReference(long('a'))).toBe(text('a'));
  });
});

describe('drafts on disk', () => {
  test('keeps drafts apart whose names differ only in case, or that docker would store in one file', async () => {
    const lists = ['x.io/a_b:1', 'x.io/a/b:1', 'x.io/x-y:1', 'x.io/x:y-1', 'x.io/a:v1', 'x.io/a:V1', 'X.io/a:v1'];
    const workspace = await workspaceWith(...lists.map(parseReference));
    for (const list of lists) expect(formatReference((await workspace.load(parseReference(list))).list)).toBe(list);
    expect((await workspace.all()).length).toBe(lists.length);
  });

  test('reports a truncated draft, reads the others, and can remove it', async () => {
    const workspace = await workspaceWith(NAME, OTHER);
    const path = workspace.pathOf(NAME);
    const whole = await readFile(path);
    for (let length = 0; length < whole.length; length += 1) {
      await writeFile(path, whole.subarray(0, length));
      await expect(workspace.load(NAME)).rejects.toMatchObject({
        code: 'ERR_MLIST_DRAFT_DAMAGED',
        exitCode: 3,
        facts: { path },
      });
      expect((await workspace.load(OTHER)).list).toEqual(OTHER);
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
      /is .*, but the file name belongs to/,
    ],
    ['an unknown member', (text) => text.replace('"version"', '"x": 1, "version"'), /at \/x: unknown member/],
    ['another version', (text) => text.replace('"version": 1', '"version": 2'), /at \/version: must be 1/],
    ['a wrong digest', (text) => text.replace('sha256:ab', 'sha256:AB'), /at \/entries\/0\/digest/],
    [
      'a source that is not a location',
      (text) => text.replace('library/a', 'library/A'),
      /at \/entries\/0\/source: must be a location/,
    ],
    ['a duplicate member', (text) => text.replace('"version"', '"format": "oci", "version"'), /duplicate member/],
    ['a list without a tag', (text) => text.replace('test:latest', 'test'), /canonical reference/],
  ])('refuses %s', async (_name, change, reason) => {
    const workspace = await workspaceWith(NAME);
    const path = workspace.pathOf(NAME);
    await writeFile(path, change(await readFile(path, 'utf8')));
    await expect(workspace.load(NAME)).rejects.toMatchObject({
      code: 'ERR_MLIST_DRAFT_DAMAGED',
      message: expect.stringMatching(reason) as unknown,
    });
  });

  test('reports a file whose name is not that of its list', async () => {
    const workspace = await workspaceWith(NAME);
    const text = await readFile(workspace.pathOf(NAME), 'utf8');
    await writeFile(join(workspace.folder, 'drafts', 'elsewhere.json'), text);
    const [, stray] = await workspace.all();
    expect(stray).toMatchObject({ name: 'elsewhere', error: { code: 'ERR_MLIST_DRAFT_DAMAGED' } });
  });

  test('ignores other files in the folder', async () => {
    const workspace = await workspaceWith(NAME);
    await writeFile(join(workspace.folder, 'drafts', '.DS_Store'), 'x');
    await mkdir(join(workspace.folder, 'drafts', 'sub'));
    expect(await workspace.all()).toHaveLength(1);
  });

  test('does not write if an edit changes nothing', async () => {
    const workspace = await workspaceWith(NAME);
    expect(await workspace.update(NAME, (before) => before)).toMatchObject({ changed: false });
    expect(await workspace.update(NAME, () => draft(NAME))).toMatchObject({ changed: false });
    expect(await workspace.update(NAME, () => ({ ...draft(NAME), format: 'oci' }))).toMatchObject({ changed: true });
  });

  test('does not remove a draft that was edited meanwhile', async () => {
    const workspace = await workspaceWith(NAME);
    const before = await workspace.load(NAME);
    await workspace.update(NAME, (now) => now && { ...now, format: 'oci' });
    expect(await workspace.remove(NAME, before)).toBe(false);
    expect(await workspace.remove(NAME, await workspace.load(NAME))).toBe(true);
  });

  test('leaves no files in the lock folder', async () => {
    const workspace = await workspaceWith(NAME);
    expect(await readdir(join(workspace.folder, 'locks'))).toEqual([]);
  });
});

describe('locating the workspace', () => {
  async function place() {
    const home = await temporaryFolder();
    const cwd = join(home, 'a', 'b');
    await mkdir(cwd, { recursive: true });
    const uid = process.getuid?.();
    return { home, cwd, options: { env: {}, cwd, home, platform: 'linux', uid } as const };
  }

  test('prefers --workspace to MLIST_WORKSPACE', async () => {
    const { cwd, options } = await place();
    expect(await locateWorkspace({ ...options, workspace: 'x', env: { MLIST_WORKSPACE: '/y' } })).toBe(join(cwd, 'x'));
    expect(await locateWorkspace({ ...options, env: { MLIST_WORKSPACE: '/y' } })).toBe('/y');
  });

  test('finds the closest .mlist in the parent folders, up to the home folder', async () => {
    const { home, options } = await place();
    await mkdir(join(home, 'a', '.mlist'));
    expect(await locateWorkspace(options)).toBe(join(home, 'a', '.mlist'));
    await mkdir(join(home, 'a', 'b', '.mlist'));
    expect(await locateWorkspace(options)).toBe(join(home, 'a', 'b', '.mlist'));
  });

  test('does not search above the home folder', async () => {
    const { home, options } = await place();
    await mkdir(join(home, '.mlist'));
    const inner = { ...options, home: join(home, 'a') };
    expect(await locateWorkspace(inner)).toBe(join(home, 'a', '.local', 'share', 'mlist'));
  });

  test.each([
    ['linux', {}, ['.local', 'share', 'mlist']],
    ['darwin', {}, ['Library', 'Application Support', 'mlist']],
    ['win32', {}, ['AppData', 'Local', 'mlist']],
  ] as const)("falls back to the user's data folder on %s", async (platform, env, names) => {
    const { home, options } = await place();
    expect(await locateWorkspace({ ...options, platform, env })).toBe(join(home, ...names));
  });

  test('uses XDG_DATA_HOME', async () => {
    const { options } = await place();
    expect(await locateWorkspace({ ...options, env: { XDG_DATA_HOME: '/x' } })).toBe('/x/mlist');
  });

  test('refuses a folder of another user', async () => {
    const { home, options } = await place();
    await mkdir(join(home, '.mlist'));
    await expect(locateWorkspace({ ...options, uid: 12345 })).rejects.toMatchObject({
      code: 'ERR_MLIST_WORKSPACE',
      exitCode: 3,
    });
  });

  test('follows a symbolic link to a folder', async () => {
    const { home, cwd, options } = await place();
    await mkdir(join(home, 'real'));
    await symlink(join(home, 'real'), join(cwd, '.mlist'));
    expect(await locateWorkspace(options)).toBe(join(cwd, '.mlist'));
  });
});
