import { execFileSync, spawnSync } from 'node:child_process';
import { lstat, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { basename, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { Workspace } from '../../src/draft/workspace/workspace.ts';
import { parseReference } from '../../src/oci/reference.ts';
import { bug } from '../support/bug-report.ts';
import { at, registry, serveInputImages } from '../support/input-fixture.ts';
import { casesOf } from '../support/long.ts';
import { programCommand, runMlist } from '../support/mlist.ts';
import { temporaryFolder, CliHarness } from '../support/cli-harness.ts';

/** Invalid arguments, names and files: they may be refused, but are never reported as a bug in mlist. */
serveInputImages();

/** The built program with its own home folder. No request leaves this machine. */
async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const folder = await temporaryFolder();
  const nowhere = 'http://127.0.0.1:1';
  return runMlist(args, { HOME: folder, MLIST_WORKSPACE: join(folder, 'ws'), HTTPS_PROXY: nowhere, ...env });
}

describe('a host that is invalid in URLs', () => {
  // Node 24 accepts a host name with invalid Punycode.
  const punycode = URL.canParse('https://xn--a.com') ? [] : ['xn--a.com/x'];

  test.each(casesOf(['300.1.1.1/app', 'foo.1/x', '[1::2::3]:5000/x', ...punycode], 2))(
    '%s is refused',
    async (name) => {
      const lines = [
        ['show', name],
        ['tags', name],
        ['exists', `docker://${name}`],
        ['create', 'x.io/list', name],
        ['create', name, at('amd64')],
        ['copy', at('v1'), name],
        ['delete', `${name}:1`],
        ['join', name, at('amd64'), '--group', '1'],
        ['login', name.replace(/\/.*/, ''), '--username', 'me', '--password-stdin'],
      ];
      const cli = await CliHarness.make({ env: { HTTPS_PROXY: 'http://127.0.0.1:1' } });
      for (const args of lines) {
        const { code, stdout, stderr } = await (args[0] === 'show' ? run(args) : cli.run(args));
        expect([args, code, stdout]).toEqual([args, 2, '']);
        expect(stderr).toMatch(/is not a valid host name or address|is not a registry host/);
        expect(stderr).not.toMatch(bug);
      }
    },
  );
});

describe('a draft that is not a regular file', () => {
  const name = 'x.io/team/app:1';
  const kinds: Readonly<Record<string, (path: string) => unknown>> = {
    'a folder': (path) => mkdir(path),
    'a named pipe': (path) => execFileSync('mkfifo', [path]),
    'a link to a device': (path) => symlink('/dev/zero', path),
    'a socket': (path) =>
      new Promise<void>((listening) => {
        const server = createServer().listen(path, listening);
        server.unref();
      }),
  };

  test.each(Object.keys(kinds))('%s is named as damaged, and left alone', async (kind) => {
    const cli = await CliHarness.make();
    const workspace = new Workspace(cli.workspace);
    await workspace.create();
    const path = workspace.pathOf(parseReference(name));
    await kinds[kind]!(path);
    const before = await lstat(path);
    for (const args of [
      ['rm', name],
      ['push', name],
      ['use', name],
      ['create', name, at('amd64')],
    ]) {
      const { code, stderr } = await cli.run([...args, '--json']);
      expect([args, code]).toEqual([args, 3]);
      expect(JSON.parse(stderr)).toMatchObject({
        code: 'ERR_MLIST_DRAFT_DAMAGED',
        path,
        message: `${path} is damaged: it is not a regular file`,
      });
    }
    expect((await lstat(path)).ino).toBe(before.ino);
    const { code, stdout } = await cli.run(['ls']);
    expect([code, stdout]).toEqual([0, expect.stringContaining(basename(path, '.json'))]);
  });

  test('a state.json that is a folder is reported as damaged', async () => {
    const cli = await CliHarness.make();
    await mkdir(join(cli.workspace, 'state.json'), { recursive: true });
    const { code, stderr } = await cli.run(['show']);
    expect([code, stderr]).toEqual([3, expect.stringContaining('state.json is damaged: it is not a regular file')]);
  });
});

describe('a process without', () => {
  const [program, ...first] = programCommand();
  const env = { PATH: process.env['PATH'] };

  test('a current folder gets an error', async () => {
    const folder = join(await temporaryFolder(), 'gone');
    await mkdir(folder);
    const script = 'rmdir "$PWD" && exec "$@"';
    const { status, stderr } = spawnSync('sh', ['-c', script, 'sh', program, ...first, 'ls'], { cwd: folder, env });
    expect([status, String(stderr)]).toEqual([1, expect.stringMatching(/^mlist: the current folder does not exist\n/)]);
  });

  const isRoot = process.getuid?.() === 0;
  (isRoot ? test : test.skip)('a home folder gets an error', () => {
    const { status, stderr } = spawnSync(program, [...first, 'ls'], { uid: 54_321, env, cwd: '/' });
    expect([status, String(stderr)]).toEqual([1, 'mlist: the user has no home folder\nhint: Set HOME.\n']);
  });
});

describe('wrong input is refused', () => {
  const inherited = '__proto__/constructor';
  const inputs: readonly (readonly [string, readonly string[], Readonly<Record<string, string>>, number])[] = [
    [
      'a platform that is the name of an inherited property: resolve',
      ['resolve', 'LIST', '--platform', inherited],
      {},
      4,
    ],
    [
      'a platform that is the name of an inherited property: explain',
      ['explain', 'LIST', '--platform', inherited],
      {},
      0,
    ],
    ['a proxy with a malformed login', ['show', 'x.io/app'], { HTTPS_PROXY: 'http://me:p%zz@127.0.0.1:1' }, 2],
    [
      'a document with a number for an object',
      ['validate', 'FILE {"schemaVersion":2,"manifests":[],"annotations":1.0}'],
      {},
      3,
    ],
    ['a spec with a NUL in a path', ['apply', '-f', 'FILE {"list":"x.io/a:1","manifests":["oci:a\\u0000b"]}'], {}, 3],
    ['a digest of an inherited algorithm', ['push', 'x.io/app', '--if-digest', `constructor:${'a'.repeat(64)}`], {}, 4],
  ];
  test.each(casesOf(inputs, 2))('%s', async (_name, args, env, expected) => {
    const folder = await temporaryFolder();
    const filled = await Promise.all(
      args.map(async (arg) => {
        if (!arg.startsWith('FILE ')) return arg.replace('LIST', at('v1'));
        const path = join(folder, 'file.json');
        await writeFile(path, arg.slice('FILE '.length));
        return path;
      }),
    );
    const { code, stderr } = await run(filled, env);
    expect(stderr).not.toMatch(bug);
    expect([code, stderr]).toEqual([expected, expect.any(String)]);
  });

  test('login refuses a credentials file that contains only a number', async () => {
    const file = join(await temporaryFolder(), 'auth.json');
    await writeFile(file, '1.0');
    const cli = await CliHarness.make({ stdin: 'password\n' });
    const login = ['login', registry.host, '--username', 'me', '--password-stdin', '--authfile', file];
    const { code, stderr } = await cli.run(login);
    expect([code, stderr]).toEqual([6, expect.stringContaining('must be of type object, not number')]);
    expect(await readFile(file, 'utf8')).toBe('1.0');
  });
});
