import { beforeEach, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { answer, RecordingProxy, type Rule } from '../support/recording-proxy.ts';
import { entryOf, makeImage, makeIndex, pushImage, putManifest } from '../support/images.ts';
import { cleanup } from '../support/cleanup.ts';
import { CliHarness, type CliResult } from '../support/cli-harness.ts';
import { casesOf } from '../support/long.ts';

/** Some registries answer 404 for a while after a push. */

const platform = { os: 'linux', architecture: 'arm64' };
const image = makeImage({ kind: 'oci', platform });
const unknown = answer(404, {}, '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');

let registry: RunningRegistry;
let proxy: RecordingProxy;
let cli: CliHarness;
beforeEach(async () => {
  registry = cleanup(await startRegistry());
  await pushImage(registry.url, 'team/app', 'late', image);
  const { mediaType, bytes } = makeIndex([entryOf(image, platform)]);
  await putManifest(registry.url, 'team/app', 'list', mediaType, bytes);
  cli = await CliHarness.make();
  proxy = cleanup(await RecordingProxy.start({ upstream: registry.url }));
});

const at = (tag: string) => `${proxy.host}/team/app:${tag}`;
/** The answers to the first reads of a manifest. */
const answerReads = (name: string, rule: Rule, times?: number) =>
  proxy.on(new RegExp(`^(?:GET|HEAD) .*/manifests/${name}$`), rule, times);
const reads = (name: string) => proxy.requestsMatching(new RegExp(`manifests/${name}$`)).length;

type Command = readonly [name: string, late: string, args: () => readonly string[], spec: (() => string) | undefined];
const commands: readonly Command[] = [
  ['create', 'late', () => ['create', at('made'), at('late')], undefined],
  ['create --push of a list', 'list', () => ['create', at('made'), `docker://${at('list')}`, '--push'], undefined],
  ['create of a digest', image.digest, () => ['create', at('made'), image.digest], undefined],
  ['add --push', 'late', () => ['add', at('list'), at('late'), '--push'], undefined],
  ['copy', 'late', () => ['copy', at('late'), at('made')], undefined],
  ['copy to a layout', 'late', () => ['copy', at('late'), 'oci:there'], undefined],
  ['copy to a tag that has something else', 'late', () => ['copy', at('late'), at('list')], undefined],
  ['join', 'late', () => ['join', at('made'), at('late'), '--group', 'g', '--expect', 'linux/arm64'], undefined],
  ['apply', 'late', () => ['apply', '-f', '-'], () => `manifests: ['${at('late')}']`],
  [
    'apply, where sources may be missing',
    'late',
    () => ['apply', '-f', '-'],
    () => `ignoreMissing: {minimum: 1}\nmanifests: ['${at('late')}']`,
  ],
  ['apply, copy', 'late', () => ['apply', '-f', '-'], () => `copy: '${at('late')}'`],
  [
    'apply, subject',
    'late',
    () => ['apply', '-f', '-'],
    () => `manifests: ['${registry.host}/team/app:late']\nsubject: '${at('late')}'`,
  ],
];

async function run(args: readonly string[], spec?: () => string, ...more: readonly string[]): Promise<CliResult> {
  return cli.run([...args, ...more], spec === undefined ? {} : { stdin: `list: ${at('made')}\n${spec()}\n` });
}

describe('a source that appears late', () => {
  test.each(casesOf(commands, 2))('%s', async (_, late, args, spec) => {
    answerReads(late, unknown, 2);
    const result = await run(args(), spec, '--wait-for-source', '10m');
    expect([result.code, result.stderr]).toEqual([
      0,
      expect.stringContaining(' does not exist yet: waiting up to 600s'),
    ]);
  });
});

describe('a source that does not appear', () => {
  test.each(casesOf(commands, 2, 1))('%s', async (_, late, args, spec) => {
    answerReads(late, unknown);
    const result = await run(args(), spec, '--wait-for-source', '1ms');
    const message = /cannot read .*\(HTTP 404.*\): still missing after 0\.001s$|the spec requires at least 1;/m;
    expect([result.code, result.stderr]).toEqual([4, expect.stringMatching(message)]);
  });

  test.each([[[]], [['--wait-for-source', '0']]])('create %j: it is read once', async (more) => {
    answerReads('late', unknown);
    const { code, stderr } = await run(['create', at('made'), at('late'), ...more]);
    expect([code, stderr]).toEqual([4, expect.not.stringMatching(/does not exist yet|still missing/)]);
    expect(reads('late')).toBe(1);
  });

  test('the deadline ends the wait', async () => {
    answerReads('late', unknown);
    const more = ['--wait-for-source', '1h', '--deadline', '3s'];
    const { code, stderr } = await run(['create', at('made'), at('late'), ...more]);
    const waited = `the command did not finish within 3s: still waiting to read ${at('late')} (last response: HTTP 404)`;
    expect([code, stderr]).toEqual([7, expect.stringContaining(waited)]);
  });
});

describe('waits only for a 404 of the manifest', () => {
  const waiting = ['--wait-for-source', '10m', '--retries', '0'];

  test.each([400, 401, 403, 500])('HTTP %d', async (status) => {
    answerReads('late', answer(status));
    const { code } = await run(['create', at('made'), at('late'), ...waiting]);
    expect([code, reads('late')]).toEqual([status === 401 || status === 403 ? 6 : 7, 1]);
  });

  test('a 404 of its config', async () => {
    proxy.on(/blobs/, answer(404));
    const { code } = await run(['create', at('made'), at('late'), ...waiting]);
    expect([code, reads('late')]).toEqual([4, 1]);
  });

  test('a layout', async () => {
    const { code, stderr } = await run(['create', at('made'), 'oci:there', ...waiting]);
    expect([code, stderr]).toEqual([4, expect.not.stringContaining('waiting')]);
  });
});

describe.each(['exists', 'digest'])('%s --wait', (command) => {
  test('of a tag that appears late', async () => {
    answerReads('late', unknown, 2);
    expect(await run([command, at('late'), '--wait', '10m'])).toMatchObject({ code: 0 });
  });

  test('of a tag that does not appear', async () => {
    answerReads('late', unknown);
    const { code, stdout, stderr } = await run([command, at('late'), '--wait', '1ms']);
    expect([code, stdout, stderr]).toEqual([4, '', expect.stringContaining(': still missing after 0.001s')]);
    expect(await run([command, at('late')])).toMatchObject({ code: 4, stderr: expect.not.stringContaining('after') });
  });

  test('of a draft', async () => {
    await cli.must('create', at('made'), at('late'));
    proxy.clear();
    expect(await run([command, at('made'), '--wait', '10m'])).toMatchObject({ code: 0 });
    expect(proxy.requests).toEqual([]);
  });
});

test('exists --wait --json', async () => {
  answerReads('late', unknown);
  const { code, stdout } = await run(['exists', at('late'), '--wait', '1ms', '--json']);
  expect([code, JSON.parse(stdout)]).toEqual([4, { exists: false }]);
});
