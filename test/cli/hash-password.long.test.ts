import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { startRegistry } from '../../src/server/start-registry.ts';
import { send } from '../server/client.ts';
import { cleanup } from '../support/cleanup.ts';
import { casesOf, isLong } from '../support/long.ts';
import { checkout, programCommand, startMlist } from '../support/mlist.ts';
import { expectFits } from '../support/schemas.ts';
import { describeOnTerminal, runOnTerminal } from '../support/terminal.ts';
import { temporaryFolder, CliHarness } from '../support/cli-harness.ts';

/** `mlist serve --hash-password`, and the use of its output by the built program and the library. */

const PASSWORD = 'pässword: with spaces ';
const hashPassword = ['serve', '--hash-password', 'alice', '--password-stdin'];
const line = /^alice:\$2b\$10\$[./0-9A-Za-z]{53}\n$/;

async function login(url: string, user: string, password: string): Promise<number> {
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  return (await send(url, 'GET', '/v2/', { headers: { authorization } })).status;
}

async function fileOf(text: string): Promise<string> {
  const path = join(await temporaryFolder(), 'users');
  await writeFile(path, text);
  return path;
}

describe('the output line', () => {
  test.each(casesOf(['', '\n', '\r\n'], 3, 2))(
    'is for the password on stdin, without its line break %j',
    async (lineBreak) => {
      const cli = await CliHarness.make({ stdin: `${PASSWORD}${lineBreak}` });
      const result = await cli.run(hashPassword);
      expect(result).toEqual({ code: 0, stdout: expect.stringMatching(line), stderr: '' });
      const { url } = cleanup(await startRegistry({ htpasswd: await fileOf(result.stdout) }));
      expect(await login(url, 'alice', PASSWORD)).toBe(200);
      expect(await login(url, 'alice', PASSWORD.trim())).toBe(401);
    },
  );

  test('has another salt each time', async () => {
    const cli = await CliHarness.make({ stdin: PASSWORD });
    expect(await cli.must(...hashPassword)).not.toBe(await cli.must(...hashPassword));
  });

  test('is a document with --json', async () => {
    const cli = await CliHarness.make({ stdin: PASSWORD });
    const text = await cli.must(...hashPassword, '--json');
    expectFits('serve', text);
    const { user, hash } = JSON.parse(text) as { user: string; hash: string };
    expect(`${user}:${hash}\n`).toMatch(line);
  });

  test('is printed if the password is typed twice', async () => {
    const cli = await CliHarness.make({ terminal: true, answers: [PASSWORD, PASSWORD] });
    const result = await cli.run(['serve', '--hash-password', 'alice']);
    expect([result.code, result.stderr]).toEqual([0, 'Password: Repeat the password: ']);
    expect(result.stdout).toMatch(line);
  });
});

describe('errors', () => {
  test.each<[string, readonly string[], string, string]>([
    ['no password', hashPassword, '\n', 'missing password for alice'],
    ['a password of 73 bytes', hashPassword, `${'x'.repeat(71)}ä`, 'the password for alice is too long'],
    ['no terminal', ['serve', '--hash-password', 'alice'], PASSWORD, 'missing option: --password-stdin'],
    ['a name with a colon', hashPassword.with(2, 'a:b'), PASSWORD, 'invalid user name "a:b"'],
    ['a name like a comment', hashPassword.with(2, '#a'), PASSWORD, 'invalid user name "#a"'],
    ['a name with a space', hashPassword.with(2, ' a'), PASSWORD, 'invalid user name " a"'],
    ['a name with a line break', hashPassword.with(2, 'a\nb'), PASSWORD, 'invalid user name "a\\nb"'],
    [
      '--addr',
      [...hashPassword, '--addr', '127.0.0.1:0'],
      PASSWORD,
      '--hash-password and --addr cannot be used together',
    ],
    [
      '--read-only',
      [...hashPassword, '--read-only'],
      PASSWORD,
      '--hash-password and --read-only cannot be used together',
    ],
    ['--password-stdin alone', ['serve', '--password-stdin'], PASSWORD, '--password-stdin needs --hash-password'],
  ])('%s', async (_, args, stdin, message) => {
    const result = await (await CliHarness.make({ stdin })).run(args);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toContain(message);
  });

  test.each<[string, readonly string[], string]>([
    ['no answer', [''], 'missing password for alice'],
    ['two different passwords', ['one', 'other'], 'the passwords do not match'],
  ])('%s', async (_, answers, message) => {
    const cli = await CliHarness.make({ terminal: true, answers });
    const result = await cli.run(['serve', '--hash-password', 'alice']);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toContain(message);
  });

  test('serve exits with 2 for a file with an unsupported hash', async () => {
    const hash = '$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/';
    const result = await (
      await CliHarness.make()
    ).run(['serve', '--addr', '127.0.0.1:0', '--htpasswd', await fileOf(`alice:${hash}`)]);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toContain('the hash of user "alice" is not supported');
    expect(result.stderr).toContain(
      'hint: Create the lines of the file with "mlist serve --hash-password USER" or "htpasswd -B".',
    );
    expect(result.stderr).not.toContain(hash);
  });
});

describe('the built package', () => {
  /** Runs the built program. */
  async function hashed(): Promise<string> {
    const [program, ...first] = programCommand();
    const { stdout } = spawnSync(program, [...first, ...hashPassword], { input: PASSWORD, encoding: 'utf8' });
    expect(stdout).toMatch(line);
    return fileOf(stdout);
  }

  test('hashes and compares passwords, and ends when it is interrupted', async () => {
    const { child, ended } = startMlist([
      'serve',
      '--addr',
      '127.0.0.1:0',
      '--access-log',
      'off',
      '--htpasswd',
      await hashed(),
    ]);
    try {
      const [url] = (await once(createInterface(child.stdout!), 'line')) as [string];
      expect(await login(url, 'alice', PASSWORD)).toBe(200);
      expect(await login(url, 'alice', 'wrong')).toBe(401);
      expect(await login(url, 'bob', PASSWORD)).toBe(401);
    } finally {
      child.kill('SIGINT');
    }
    expect(await ended).toMatchObject({ code: 0, stderr: '' });
  });

  if (isLong)
    test('the library compares passwords, and the process ends after close()', async () => {
      const script = `
      import { startRegistry } from ${JSON.stringify(pathToFileURL(join(checkout, 'dist', 'server.js')).href)};
      const registry = await startRegistry({ htpasswd: ${JSON.stringify(await hashed())} });
      for (const user of ['alice', 'bob']) {
        const authorization = 'Basic ' + Buffer.from(user + ${JSON.stringify(`:${PASSWORD}`)}).toString('base64');
        console.log((await fetch(registry.url + '/v2/', { headers: { authorization } })).status);
      }
      await registry.close();`;
      const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
      let [stdout, stderr] = ['', ''];
      child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
      const [code] = (await once(child, 'close')) as [number];
      expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '200\n401\n', stderr: '' });
    });
});

describeOnTerminal('on a terminal', () => {
  test('does not print the password', async () => {
    const typed = ['Password: ', 'Repeat the password: '].map((after) => ({ after, keys: 'hidden-secret\r' }));
    const result = await runOnTerminal(['serve', '--hash-password', 'alice'], typed, await temporaryFolder());
    expect(result).toEqual({ code: 0, shown: expect.stringMatching(/alice:\$2b\$10\$/) });
    expect(result.shown).not.toContain('hidden-secret');
  });
});
