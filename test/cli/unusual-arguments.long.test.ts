import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { commands } from '../../src/cli/commands/commands.ts';
import { optionsOf } from '../../src/cli/args/global-options.ts';
import { MlistError } from '../../src/errors/errors.ts';
import { bug } from '../support/bug-report.ts';
import { at, registry, serveInputImages } from '../support/input-fixture.ts';
import { isSampled } from '../support/long.ts';
import { CliHarness } from '../support/cli-harness.ts';

serveInputImages();

/**
 * Every argument and option of every command gets each of these texts, while the rest of the command line is valid. In the
 * short version each option gets some of the texts, and all texts are used.
 */
describe('no command reports a bug', () => {
  const a = (name: string) => `HOST/app:${name}`;
  const lines: Readonly<Record<string, readonly string[]>> = {
    create: [a('new'), a('amd64')],
    add: [a('draft'), a('amd64')],
    remove: [a('draft'), a('amd64')],
    annotate: [a('draft'), a('amd64'), '--arch', 'arm64'],
    inspect: [a('v1'), a('amd64')],
    show: [a('v1')],
    push: [a('draft')],
    resolve: [a('v1'), '--platform', 'linux/amd64'],
    digest: [a('v1')],
    // An image that cannot be read, because a join takes a second.
    join: [a('joined'), '127.0.0.1:1/app', '--group', '1'],
    validate: [a('v1')],
    diff: [a('v1'), a('amd64')],
    explain: [a('v1')],
    copy: [a('v1'), a('copied')],
    apply: ['--file', 'lists.json'],
    export: [a('v1')],
    ls: [],
    use: [a('draft')],
    rm: [a('draft')],
    exists: [a('v1')],
    init: [],
    prune: [],
    gc: ['folder'],
    tags: ['HOST/app'],
    delete: [a('nothing')],
    login: ['HOST', '--username', 'me', '--password-stdin'],
    logout: ['HOST'],
    serve: ['--addr', '127.0.0.1:0'],
    completion: ['bash'],
    doctor: ['127.0.0.1:1'],
    version: [],
    'docker-cli-plugin-metadata': [],
  };
  const texts = ['', '-', '/', '\n', '\u001b[0m', '\ud800', '=', ',', ':', '@', '%zz', '{}', '-1', '9'.repeat(400)];
  const names = ['__proto__', 'constructor', 'linux/__proto__', '__proto__/constructor', 'x'.repeat(100_000)];
  const hosts = ['300.1.1.1/x', 'foo.1/x:y', '[1::2::3]/x', '127.0.0.1:1/x@sha256:'];
  const files = [
    'folder',
    'link',
    'text',
    'number',
    '/dev/full',
    'oci:',
    'oci:folder',
    'oci-archive:text',
    'docker-archive:link',
  ];
  const strange = [...texts, ...names, ...hosts, ...files];

  let cli: CliHarness;
  beforeAll(async () => {
    cli = await CliHarness.make({ env: { HTTPS_PROXY: 'http://127.0.0.1:1' }, stdin: 'password\n' });
    const file = (name: string, content: string) => writeFile(join(cli.folder, name), content);
    await mkdir(join(cli.folder, 'folder'));
    await symlink('link', join(cli.folder, 'link'));
    await file('text', 'text\n');
    await file('number', '1.0');
    await file('lists.json', JSON.stringify({ list: at('applied'), manifests: [at('amd64')] }));
  });

  test('every command has a line here', () => {
    expect(commands.map(({ name }) => name).filter((name) => !Object.hasOwn(lines, name))).toEqual([]);
  });

  test.each(Object.keys(lines))('%s', async (name) => {
    const command = commands.find((one) => one.name === name)!;
    const line = lines[name]!.map((word) => word.replace('HOST', registry.host));
    const own = command.options.filter(({ type }) => type !== 'boolean').map((option) => `--${option.name}`);
    const others = optionsOf(command).filter(({ type }) => type !== 'boolean');
    const options = name === 'show' ? others.map((option) => `--${option.name}`) : own;
    const positionals = line.flatMap((_, n) => (isPositional(line, n) ? [n] : []));
    const draft = ['create', at('draft'), at('amd64'), '--replace'];
    const usesDraft = line.includes(at('draft'));
    for (const [row, text] of strange.entries()) {
      const used = options.filter((_, column) => isSampled(row + column, 24));
      const places = positionals.filter((_, column) => isSampled(row + column, 6));
      if (used.length === 0 && places.length === 0) continue;
      if (usesDraft) await cli.must(...draft);
      for (const n of places) await tryLine(name, line.with(n, text));
      for (const option of used) await tryLine(name, [...without(line, option), `${option}=${text}`]);
    }
  });

  async function tryLine(name: string, args: readonly string[]): Promise<void> {
    const stop = new AbortController();
    if (name === 'serve') setTimeout(() => stop.abort(new MlistError('ERR_MLIST_INTERRUPTED', 'enough')), 20);
    const limits = ['--retries=0', '--deadline=20s'].filter((limit) => !args.join(' ').includes(limit.split('=')[0]!));
    const { stderr } = await cli.run([name, ...limits, ...args], { signal: stop.signal });
    expect([name, args, bug.exec(stderr)?.[0]]).toEqual([name, args, undefined]);
  }

  const isPositional = (line: readonly string[], n: number) =>
    !line[n]!.startsWith('-') &&
    !['--arch', '--platform', '--group', '--file', '--username', '--addr'].includes(line[n - 1] ?? '');

  function without(line: readonly string[], option: string): readonly string[] {
    const n = line.indexOf(option);
    return n < 0 ? line : line.toSpliced(n, 2);
  }
});
