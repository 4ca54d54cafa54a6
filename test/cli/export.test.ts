import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { pushBuild } from '../support/buildx.ts';
import { entryOf, makeImage, makeIndex, putManifest } from '../support/images.ts';
import { describeOnRegistries, type Registry } from '../support/registries.ts';
import { CliHarness } from '../support/cli-harness.ts';
import { platforms, pushImages, serveApplyImages } from '../support/apply-fixture.ts';

/** `export` writes specs for `apply`. */
serveApplyImages();

describeOnRegistries('export', (start) => {
  let running: Registry;
  let host: (name: string) => string;
  beforeAll(async () => {
    running = await start();
    host = (name) => `${running.host}/${name}`;
    await pushImages(running.url, 'src/docker');
    await pushImages(running.url, 'src/oci', 'oci');
    await pushBuild(running.url, 'src/oci', 'built', [{ architecture: 'riscv64', os: 'linux' }]);
    const cli = await CliHarness.make();
    const names = ['amd64', 'arm64v8', 'armv7'];
    await cli.must('create', host('src/docker:list'), ...names.map((name) => host(`src/docker:1.0-${name}`)));
    await cli.must('push');
    await cli.must(
      'create',
      host('src/oci:list'),
      ...[...names.map((n) => `1.0-${n}`), 'built'].map((n) => host(`src/oci:${n}`)),
    );
    await cli.must(
      'annotate',
      '--index-annotation',
      'b=<&>',
      '--index-annotation',
      'ünï="',
      '--subject',
      host('src/oci:1.0-s390x'),
    );
    await cli.must(
      'annotate',
      host('src/oci:list'),
      host('src/oci:1.0-amd64'),
      '--os-version',
      '10.0',
      '--annotation',
      'on=yes',
    );
    await cli.must('push');
    const image = makeImage({ salt: 'amd64', kind: 'oci', platform: platforms[0]! });
    const foreign = makeIndex([entryOf(image, platforms[0], { 'x-unknown': 1 })], { annotations: { z: '1', a: '2' } });
    await putManifest(running.url, 'src/oci', 'foreign', foreign.mediaType, foreign.bytes);
    const double = makeIndex([entryOf(image, platforms[0]), entryOf(image, platforms[0], { annotations: { a: 'b' } })]);
    await putManifest(running.url, 'src/oci', 'double', double.mediaType, double.bytes);
  });
  afterAll(() => running.close());

  test.each<[string, string, 'manifests' | 'copy']>([
    ['a Docker list', 'src/docker:list', 'manifests'],
    ['an OCI index with all that it may say', 'src/oci:list', 'manifests'],
    ['an index of another encoding', 'src/oci:foreign', 'copy'],
    ['an index of a build', 'src/oci:built', 'copy'],
    ['an image', 'src/oci:1.0-amd64', 'copy'],
  ])('%s: export and apply give the same digest', async (_name, ref, member) => {
    const cli = await CliHarness.make();
    const digest = await cli.must('digest', host(ref));
    const spec = await cli.must('export', host(ref));
    expect(Object.keys(JSON.parse(await cli.must('export', host(ref), '--json')) as object)).toContain(member);
    const again = await cli.run(['apply', '-f', '-', '--json'], { stdin: spec });
    expect(JSON.parse(again.stdout)).toMatchObject({ writes: 0, counts: { unchanged: 1 } });
    const elsewhere = host(`copy/${ref}`);
    const result = await cli.run(['apply', '-f', '-'], {
      stdin: await cli.must('export', host(ref), '--as', elsewhere),
    });
    expect(result).toMatchObject({ code: 0, stdout: `pushed    ${elsewhere} ${digest}\n` });
    expect(await cli.must('digest', `docker://${elsewhere}`)).toBe(digest);
  });

  test('a draft', async () => {
    const cli = await CliHarness.make();
    await cli.must('create', host('from/draft:v1'), host('src/oci:1.0-amd64'), host('src/oci:built'));
    await cli
      .must('annotate', '--platform', 'linux/amd64', '--variant', 'v3', '--index-annotation', 'a=b')
      .catch(() => undefined);
    const digest = await cli.must('digest');
    const result = await cli.run(['apply', '-f', '-'], { stdin: await cli.must('export') });
    expect(result).toMatchObject({ code: 0, stdout: `pushed    ${host('from/draft:v1')} ${digest}\n` });
  });

  test('content without a tag needs --as', async () => {
    const cli = await CliHarness.make();
    await cli.must('copy', host('src/oci:list'), 'oci:there:v1');
    expect(await cli.run(['export', 'oci:there:v1'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--as') as unknown,
    });
    const spec = await cli.must('export', 'oci:there:v1', '--as', host('from/layout:v1'));
    expect((await cli.run(['apply', '-f', '-'], { stdin: spec })).code).toBe(0);
    expect(await cli.must('digest', `docker://${host('from/layout:v1')}`)).toBe(
      await cli.must('digest', host('src/oci:list')),
    );
  });
});
