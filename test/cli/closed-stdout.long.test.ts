import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { RecordingProxy } from '../support/recording-proxy.ts';
import { getManifest, makeImage, pushImage } from '../support/images.ts';
import { cleanup } from '../support/cleanup.ts';
import { runMlist, startMlist, type Ended, type StartOptions } from '../support/mlist.ts';
import { unreadPipe } from '../support/pipes.ts';
import { casesOf } from '../support/long.ts';
import { temporaryFolder } from '../support/cli-harness.ts';

type Args = () => readonly string[] | Promise<readonly string[]>;

/** The reader of stdout has closed its end, as in `| true` and `| head -1`. */
(process.platform === 'win32' ? describe.skip : describe)('stdout that nobody reads', () => {
  let registry: RunningRegistry;
  let folder: string;
  let env: Readonly<Record<string, string>>;
  beforeAll(async () => {
    registry = await startRegistry();
    await pushImage(registry.url, 'team/app', 'amd64', makeImage({ salt: 'a' }));
    await pushImage(registry.url, 'team/app', 'other', makeImage({ salt: 'b' }));
  });
  afterAll(() => registry.close());
  beforeEach(async () => {
    folder = await temporaryFolder();
    env = { MLIST_WORKSPACE: join(folder, 'workspace') };
  });
  const at = (name: string) => `${registry.host}/team/app:${name}`;

  async function unread(args: readonly string[], options: StartOptions = {}): Promise<Ended> {
    const pipe = cleanup(await unreadPipe());
    return runMlist(args, env, { stdout: pipe.fd, ...options });
  }

  async function written(name: string, text: string): Promise<string> {
    await writeFile(join(folder, name), text);
    return join(folder, name);
  }

  const failures: readonly [number, string, Args][] = [
    [3, 'validate', async () => ['validate', await written('bad.json', '{"schemaVersion":2}')]],
    [3, 'validate --json', async () => ['validate', await written('bad.json', '{"schemaVersion":2}'), '--json']],
    [3, 'apply', async () => ['apply', '-f', await written('bad.yaml', 'list: 5')]],
    [4, 'digest', () => ['digest', at('nothing')]],
    [8, 'diff --exit-code', () => ['diff', at('amd64'), at('other'), '--exit-code']],
  ];
  test.each(casesOf(failures, 4))('the exit code stays %d: %s', async (code, _name, args) => {
    expect(await unread(await args())).toMatchObject({ code });
  });

  const results: readonly [string, Args][] = [
    ['digest', () => ['digest', at('amd64')]],
    ['digest, as a JSON document', () => ['digest', at('amd64'), '--json']],
    ['exact bytes', () => ['inspect', at('amd64'), '--raw']],
    ['help', () => ['--help']],
    ['the version', () => ['--version']],
    ['a completion script', () => ['completion', 'bash']],
    ['completions', () => ['--complete', 'p']],
  ];
  test.each(casesOf(results, 4))('exit code 141 if the result was not read: %s', async (_name, args) => {
    const { code, stderr } = await unread(await args());
    expect(code).toBe(141);
    expect(stderr).not.toMatch(/^mlist: |"type":"error"/m);
  });

  const closed: readonly (readonly [number, () => readonly string[]])[] = [
    [3, () => ['apply', '-f', join(folder, 'bad.yaml')]],
    [141, () => ['digest', at('amd64')]],
  ];
  test.each(casesOf(closed, 2))('exit code %d even if stderr is closed too', async (code, args) => {
    await written('bad.yaml', 'list: 5');
    const pipe = cleanup(await unreadPipe());
    expect(await unread(args(), { stderr: pipe.fd })).toMatchObject({ code });
  });

  test.each(casesOf([[], ['--json']], 2))('a push is done, and its files are written', async (...flags) => {
    const list = at(`list${flags.length}`);
    await runMlist(['create', list, at('amd64')], env);
    const [digest, metadata] = [join(folder, 'digest'), join(folder, 'metadata')];
    const files = ['--digest-file', digest, '--metadata-file', metadata];
    expect(await unread(['push', ...files, ...flags])).toMatchObject({ code: 141 });
    const pushed = await getManifest(registry.url, 'team/app', list.slice(list.lastIndexOf(':') + 1));
    expect(await readFile(digest, 'utf8')).toBe(`${pushed?.digest}\n`);
    expect(JSON.parse(await readFile(metadata, 'utf8'))).toMatchObject({ 'containerimage.digest': pushed?.digest });
  });

  test('apply pushes every list', async () => {
    const lists = [1, 2, 3].map((number) => `list: ${at(`applied${number}`)}\nmanifests: ['${at('amd64')}']\n`);
    const file = await written('lists.yaml', lists.join('---\n'));
    expect(await unread(['apply', '-f', file])).toMatchObject({ code: 141 });
    for (const number of [1, 2, 3])
      expect(await getManifest(registry.url, 'team/app', `applied${number}`)).toBeDefined();
  });

  test('tags requests no further pages', async () => {
    const proxy = cleanup(await RecordingProxy.start());
    proxy.on(/^GET \/v2\/endless\/tags/, ({ response }) => {
      response.setHeader('link', '</v2/endless/tags/list?last=a>; rel="next"');
      response.end(JSON.stringify({ name: 'endless', tags: ['a'] }));
    });
    expect(await unread(['tags', `${proxy.host}/endless`])).toMatchObject({ code: 141 });
  });

  test('exit code 141 if the reader stops in the middle of a large document', async () => {
    const proxy = cleanup(await RecordingProxy.start());
    const tags = Array.from({ length: 50_000 }, (_, number) => `tag-${number}`);
    proxy.on(/^GET \/v2\/large\/tags/, ({ response }) => void response.end(JSON.stringify({ name: 'large', tags })));
    const { child, ended } = startMlist(['tags', `${proxy.host}/large`, '--json'], env);
    child.stdout?.once('data', () => child.stdout?.destroy());
    expect(await ended).toMatchObject({ code: 141, stderr: '' });
  });
});
