import { execFileSync } from 'node:child_process';
import { lstat, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** Unusual files in the place of the credentials. */
(process.platform === 'win32' ? describe.skip : describe)('the file that keeps a login', () => {
  let registry: RunningRegistry;
  beforeAll(async () => {
    registry = await startRegistry();
  });
  afterAll(() => registry.close());

  const refused: readonly (readonly [string, (path: string) => unknown, string])[] = [
    ['a pipe', (path) => execFileSync('mkfifo', [path]), 'it is not a regular file'],
    ['a folder', (path) => mkdir(path), 'it is not a regular file'],
    ['a link to a pipe', linkToPipe, 'it is not a regular file'],
    ['a link to itself', (path) => symlink('auth.json', path), 'its symbolic links form a loop'],
    ['a file without end', (path) => writeFile(path, Buffer.alloc(8 * 1024 * 1024, ' ')), 'bytes, but the limit'],
    ['a comment', (path) => writeFile(path, '{} // none yet\n'), 'unexpected text after the JSON value'],
    ['a trailing comma', (path) => writeFile(path, '{"auths":{},}'), 'expected a member name'],
    ['a byte order mark', (path) => writeFile(path, '\ufeff{}'), 'a byte order mark'],
    ['duplicate members', (path) => writeFile(path, '{"auths":{},"auths":{}}'), 'duplicate member'],
  ];

  test.each([
    ['copy', ['copy', `oci:${'n'.repeat(300)}`, 'localhost:1/a']],
    ['apply', ['apply', '-f', 'n'.repeat(300)]],
    ['login', ['login', 'REG', '-u', 'me', '--password-stdin', '--authfile', 'n'.repeat(300)]],
  ])('%s: reports a name that is too long', async (_name, args) => {
    const cli = await CliHarness.make();
    const result = await cli.run(
      args.map((arg) => arg.replace('REG', registry.host)),
      { stdin: 'secret\n' },
    );
    expect(result.stderr).not.toContain('name too long, ');
    expect(result.stderr).toMatch(/its name is too long/);
  });

  async function linkToPipe(path: string): Promise<void> {
    execFileSync('mkfifo', [`${path}.pipe`]);
    await symlink('auth.json.pipe', path);
  }

  async function contentOf(path: string): Promise<string | undefined> {
    return (await lstat(path)).isFile() ? readFile(path, 'utf8') : undefined;
  }

  test.each(refused)('%s is refused, and stays', async (_name, make, reason) => {
    const cli = await CliHarness.make();
    const path = join(cli.folder, 'auth.json');
    await make(path);
    const [before, content] = [await lstat(path), await contentOf(path)];
    for (const command of [
      ['login', registry.host, '--username', 'me', '--password-stdin'],
      ['logout', registry.host],
    ]) {
      const result = await cli.run([...command, '--authfile', path], { stdin: 'secret\n' });
      expect(result).toMatchObject({ code: 6, stdout: '', stderr: expect.stringContaining(path) as unknown });
      expect(result.stderr).toContain(reason);
    }
    const after = await lstat(path);
    expect([after.ino, after.mode]).toEqual([before.ino, before.mode]);
    expect(await contentOf(path)).toBe(content);
  });

  test('a link to a missing file: creates the file, and keeps the link', async () => {
    const cli = await CliHarness.make();
    const path = join(cli.folder, 'auth.json');
    await mkdir(join(cli.folder, 'kept'));
    await symlink('kept/real.json', path);
    const login = ['login', registry.host, '--username', 'me', '--password-stdin', '--authfile', path];
    expect(await cli.run(login, { stdin: 'secret\n' })).toMatchObject({ code: 0 });
    expect((await lstat(path)).isSymbolicLink()).toBe(true);
    const real = join(cli.folder, 'kept', 'real.json');
    expect(JSON.parse(await readFile(real, 'utf8'))).toHaveProperty(['auths', registry.host]);
    expect((await lstat(real)).mode & 0o777).toBe(0o600);
  });
});
