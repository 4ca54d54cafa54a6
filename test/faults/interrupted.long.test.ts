import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { MlistError } from '../../src/errors/errors.ts';
import { parseLocation } from '../../src/oci/location.ts';
import { copy } from '../../src/operations/copy/copy.ts';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { Stores } from '../../src/store/open.ts';
import { RecordingProxy } from '../support/recording-proxy.ts';
import { getManifest, makeImage, pushImage } from '../support/images.ts';
import { cleanup } from '../support/cleanup.ts';
import { withTimeLimit } from '../support/limits.ts';
import { casesOf, isLong } from '../support/long.ts';
import { runMlist, startMlist, type Ended } from '../support/mlist.ts';
import { expectFits } from '../support/schemas.ts';
import { leaveUnanswered, printed } from '../support/pending-requests.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** After an interruption, the error reports which targets were published, which were not, and which may have been. */
let registry: RunningRegistry;
let proxy: RecordingProxy;
let cli: CliHarness;
let folder: string;
let env: Readonly<Record<string, string>>;
let round = 0;
beforeAll(async () => {
  registry = await startRegistry();
  for (const architecture of ['amd64', 'arm64'])
    await pushImage(registry.url, 'team/app', architecture, makeImage({ platform: { os: 'linux', architecture } }));
});
afterAll(() => registry.close());
beforeEach(async () => {
  round += 1;
  cli = await CliHarness.make();
  ({ folder } = cli);
  env = { MLIST_WORKSPACE: cli.workspace };
  proxy = cleanup(await RecordingProxy.start({ upstream: registry.url }));
});

/** A tag in a repository that only this test uses. */
const at = (name: string, tag = 'v') => `${proxy.host}/r${round}/${name}:${tag}`;
const unanswered = (pattern: string) => leaveUnanswered(proxy, new RegExp(pattern.replace('REPO', `/v2/r${round}`)));

async function served(reference: string): Promise<string | undefined> {
  const path = reference.slice(reference.indexOf('/') + 1);
  return (await getManifest(registry.url, ...(path.split(':') as [string, string])))?.digest;
}

const must = (...args: readonly string[]): Promise<string> => cli.must(...args);

interface ErrorDocument {
  readonly type: string;
  readonly code: string;
  readonly message: string;
  readonly targets?: readonly { readonly ref: string; readonly status: string; readonly digest?: string }[];
}

function errorIn({ stderr }: Ended): ErrorDocument {
  const lines = stderr.trim().split('\n');
  for (const line of lines) expectFits('event', line);
  return lines.map((line) => JSON.parse(line) as ErrorDocument).find(({ type }) => type === 'error')!;
}

describe('a push to several repositories', () => {
  const names = () => ['b', 'c', 'd'].flatMap((name) => ['-t', at(name)]);

  /** `a` receives the list, the PUT of the tag of `b` and a blob of `c` are never answered, and `d` already has the list. */
  async function pushing(...flags: readonly string[]) {
    await must('create', at('a'), `${proxy.host}/team/app:amd64`);
    await must('push', '--to', at('d'));
    const sent = [unanswered('^PUT REPO/b/manifests/v$'), unanswered('^(POST|PUT) REPO/c/')];
    const started = startMlist(['push', ...names(), ...flags], env);
    const published = printed(started, flags.includes('--json') ? `"tagged","ref":"${at('a')}"` : `pushed ${at('a')} `);
    return { ...started, ready: Promise.all([...sent, published]) };
  }

  const signals = [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const;
  test.each(casesOf(signals, 2))('%s: the message names each', async (signal, code) => {
    const { child, ended, ready } = await pushing();
    await ready;
    child.kill(signal);
    const result = await ended;
    const digest = await served(at('a'));
    expect(result).toMatchObject({ code, stdout: '' });
    expect(result.stderr).toContain(
      `mlist: interrupted; pushed: ${at('a')}@${digest}; unchanged: ${at('d')}@${digest}; ` +
        `may have been pushed: ${at('b')}@${digest}; not pushed: ${at('c')}\n`,
    );
    expect(await served(at('c'))).toBeUndefined();
    proxy.on(/./, ({ pass }) => pass());
    expect(await must('push', ...names())).toBe(digest);
    expect(await served(at('c'))).toBe(digest);
  });

  test('the error document lists each', async () => {
    const { child, ended, ready } = await pushing('--json');
    await ready;
    child.kill('SIGINT');
    const error = errorIn(await ended);
    const digest = await served(at('a'));
    expect(error).toMatchObject({
      code: 'ERR_MLIST_INTERRUPTED',
      targets: [
        { ref: at('a'), status: 'pushed', digest },
        { ref: at('b'), status: 'unknown', digest },
        { ref: at('c'), status: 'not-pushed' },
        { ref: at('d'), status: 'unchanged', digest },
      ],
    });
  });

  if (isLong)
    test('a deadline reports the same', async () => {
      const result = await withTimeLimit(async (limit) => {
        round += 1;
        const { ended, ready } = await pushing('--json', '--deadline', limit);
        const isReady = await Promise.race([ready.then(() => true), ended.then(() => false)]);
        return isReady ? ended : undefined;
      }, 1200);
      const { code, message, targets = [] } = errorIn(result);
      expect([result.code, code]).toEqual([7, 'ERR_MLIST_TIMEOUT']);
      expect(message).toMatch(
        /^the command did not finish within \S+: .*; pushed: \S+; unchanged: \S+; may have been pushed: \S+; not pushed: /,
      );
      expect(targets.map(({ status }) => status)).toEqual(['pushed', 'unknown', 'not-pushed', 'unchanged']);
    });

  test('a tag is recorded even if another tag of its repository was not pushed', async () => {
    await must('create', at('a'), `${proxy.host}/team/app:amd64`);
    const sent = unanswered('^PUT REPO/a/manifests/other$');
    const started = startMlist(['push', '-t', ':other'], env);
    await Promise.all([sent, printed(started, `pushed ${at('a')} `)]);
    started.child.kill('SIGINT');
    expect((await started.ended).stderr).toContain(`may have been pushed: ${at('a', 'other')}@`);
    const { pushes } = JSON.parse(await readFile(join(cli.workspace, 'state.json'), 'utf8')) as {
      pushes: object;
    };
    expect(pushes).toEqual({ [at('a')]: { [at('a')]: expect.objectContaining({ digest: await served(at('a')) }) } });
  });

  test('reports that no tag was changed', async () => {
    await must('create', at('a'), `${proxy.host}/team/app:amd64`);
    const sent = unanswered('^(POST|PUT) REPO/a/');
    const { child, ended } = startMlist(['push', '--json'], env);
    await sent;
    child.kill('SIGINT');
    const targets = [{ ref: at('a'), status: 'not-pushed' }];
    expect(errorIn(await ended)).toMatchObject({ message: 'interrupted; no tag was changed', targets });
  });
});

const waits: readonly (readonly [string, string, string, string])[] = [
  ['its tag', '^PUT REPO/a/manifests/v$', 'unknown', 'interrupted; may have been pushed: '],
  ['a blob', '^(POST|PUT) REPO/a/blobs', 'not-pushed', 'interrupted; no tag was changed'],
];
test.each(casesOf(waits, 2))('a copy that waits for %s', async (_name, pattern, status, message) => {
  const sent = unanswered(pattern);
  const { child, ended } = startMlist(['copy', `${proxy.host}/team/app:amd64`, at('a'), '--json'], env);
  await sent;
  child.kill('SIGTERM');
  const error = errorIn(await ended);
  expect(error.message.startsWith(message)).toBe(true);
  expect(error).toMatchObject({ code: 'ERR_MLIST_TERMINATED', targets: [{ ref: at('a'), status }] });
});

test('a copy that the caller of the library aborts with its own reason', async () => {
  const sent = unanswered('^PUT REPO/a/manifests/v$');
  const stores = cleanup(new Stores({ workspaceFolder: folder, userAgent: 'test', env: {} }));
  const controller = new AbortController();
  const { signal } = controller;
  const copying = copy(parseLocation(`${proxy.host}/team/app:amd64`), parseLocation(at('a')), { stores, signal });
  const failed = copying.catch((thrown: unknown) => thrown);
  await sent;
  controller.abort(new Error('enough'));
  const error = await failed;
  expect(error).toBeInstanceOf(MlistError);
  const facts = { targets: [{ reference: at('a'), status: 'unknown' }] };
  expect(error).toMatchObject({ code: 'ERR_MLIST_INTERRUPTED', facts });
});

test('apply reports every name of every list', async () => {
  const specs = [
    `list: ${at('a')}`,
    `list: ${at('b')}\ntags: [other]`,
    `list: ${at('c')}`,
    `list: ${at('d')}\nexpect: [linux/arm64]`,
  ];
  const file = join(folder, 'lists.yaml');
  const manifests = `manifests: ['${proxy.host}/team/app:amd64']`;
  await writeFile(file, specs.map((spec) => `${spec}\n${manifests}\n`).join('---\n'));
  const sent = [unanswered('^PUT REPO/b/manifests/other$'), unanswered('^(POST|PUT) REPO/c/')];
  const started = startMlist(['apply', '-f', file, '--json'], env);
  await Promise.all([...sent, ...['a', 'b'].map((name) => printed(started, `"tagged","ref":"${at(name)}"`))]);
  started.child.kill('SIGINT');
  const result = await started.ended;
  const digest = await served(at('a'));
  const targets = [
    { ref: at('a'), status: 'pushed', digest },
    { ref: at('b'), status: 'pushed', digest },
    { ref: at('b', 'other'), status: 'unknown', digest },
    { ref: at('c'), status: 'not-pushed' },
  ];
  const lines = result.stderr.trim().split('\n');
  for (const line of lines) expectFits('event', line);
  const errors = lines.map((line) => JSON.parse(line) as ErrorDocument).filter(({ type }) => type === 'error');
  expect(errors.map(({ code }) => code)).toEqual(['ERR_MLIST_EXPECTATION', 'ERR_MLIST_INTERRUPTED']);
  expect(errors[1]?.targets).toEqual(targets);
  expectFits('apply', result.stdout);
  const { lists } = JSON.parse(result.stdout) as { lists: { status: string; targets: { ref: string }[] }[] };
  expect(lists.map(({ status }) => status)).toEqual(['pushed', 'stopped', 'stopped', 'failed']);
  expect(lists.map((list) => list.targets.map(({ ref }) => ref))).toEqual([[at('a')], [at('b')], [], []]);
});

describe('a join', () => {
  const joining = () => {
    const expected = ['--group', 'g', '--expect', 'linux/amd64,linux/arm64', '--wait', '1h', '--json'];
    return startMlist(['join', at('a'), `${proxy.host}/team/app:amd64`, ...expected], env);
  };

  test('that waits for others has pushed its slot, and not the tag', async () => {
    const waits = unanswered('^GET REPO/a/manifests/v$');
    proxy.on(/^GET .*\/a\/manifests\/v$/, ({ pass }) => pass(), 1);
    const { child, ended } = joining();
    await waits;
    child.kill('SIGINT');
    const { targets = [], message } = errorIn(await ended);
    expect(targets.map(({ ref, status }) => [ref === at('a'), status])).toEqual([
      [true, 'not-pushed'],
      [false, 'pushed'],
    ]);
    expect(await served(targets[1]?.ref ?? '')).toBe(targets[1]?.digest);
    expect(message).toBe(`interrupted; pushed: ${targets[1]?.ref}@${targets[1]?.digest}; not pushed: ${at('a')}`);
  });

  test('that writes the tag', async () => {
    const sent = unanswered('^PUT REPO/a/manifests/v$');
    const { child, ended } = startMlist(['join', at('a'), `${proxy.host}/team/app:amd64`, '--json'], env);
    await sent;
    child.kill('SIGINT');
    const { targets = [] } = errorIn(await ended);
    expect(targets.map(({ ref, status }) => [ref === at('a'), status])).toEqual([
      [true, 'unknown'],
      [false, 'pushed'],
    ]);
  });

  test('that removes slots reports each removed slot', async () => {
    for (const name of ['amd64', 'arm64'])
      await must('join', at('a'), `${proxy.host}/team/app:${name}`, '--group', 'g');
    const sent = unanswered('^DELETE REPO/a/manifests/');
    proxy.on(/^DELETE /, ({ pass }) => pass(), 1);
    const { child, ended } = startMlist(['join', '--prune', at('a')], env);
    await sent;
    child.kill('SIGINT');
    const { code, stderr } = await ended;
    expect(code).toBe(130);
    expect(stderr.match(/^pruned /gm)).toHaveLength(1);
  });
});

test.each(casesOf(['push', 'copy'], 2))(
  'an archive that cannot be put in its place is not reported as pushed: %s',
  async (command) => {
    const archive = join(folder, 'list.tar');
    await must('create', at('a'), `${proxy.host}/team/app:amd64`);
    proxy.on(/^GET .*\/blobs\//, async ({ pass }) => {
      await mkdir(archive, { recursive: true });
      await writeFile(join(archive, 'file'), '');
      return pass();
    });
    const to = `oci-archive:${archive}:v`;
    const args = command === 'push' ? ['push', '--to', to] : ['copy', `${proxy.host}/team/app:amd64`, to];
    const { code, stderr } = await runMlist(args, env);
    expect(code).toBe(1);
    expect(stderr).not.toContain('pushed');
    await access(join(archive, 'file'));
  },
);
