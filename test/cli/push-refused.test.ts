import { execFileSync } from 'node:child_process';
import { lstat, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { answer, RecordingProxy } from '../support/recording-proxy.ts';
import { getManifest, makeImage, makeIndex, pushImage, putManifest } from '../support/images.ts';
import { cleanup } from '../support/cleanup.ts';
import { at, list, registry, requests, sent, servePushImages, served, cli } from '../support/push-fixture.ts';

/** Pushes that are refused before anything is written. */
servePushImages();

describe('refused before any write', () => {
  test.each<[string, readonly string[], number, RegExp]>([
    ['a missing platform of --expect', ['--expect', 'linux/amd64,linux/s390x'], 3, /lacks linux\/s390x/],
    [
      'a tag that is gone',
      ['--if-digest', `sha256:${'0'.repeat(64)}`],
      5,
      /does not exist, but was expected to refer to sha256:0+\n.*absent/,
    ],
    ['an invalid digest', ['--if-digest', 'latest'], 2, /takes a digest or absent/],
    ['an empty tag', ['--tag', ''], 2, /^mlist: empty tag: specify the tag to push to/],
    ['a tag of only ":"', ['--tag', ':'], 2, /empty tag: specify the tag to push to/],
    ['an empty target', ['--to', ''], 2, /it is empty/],
    ['a target by digest', ['--to', `a/b@sha256:${'0'.repeat(64)}`], 2, /pushed to a tag, not to a digest/],
    ['a platform of attestations', ['--expect', 'unknown/unknown'], 3, /lacks unknown\/unknown/],
    ['an empty digest', ['--if-digest', ''], 2, /takes a digest or absent/],
    ['a digest file that is stdin', ['--digest-file', '-'], 2, /--digest-file takes a file name, not "-"/],
    ['a digest file without a name', ['--digest-file', ''], 2, /takes a file name, not ""/],
    ['a metadata file without a name', ['--metadata-file='], 2, /--metadata-file takes a file name/],
    ['a metadata file that is stdin', ['--metadata-file=-'], 2, /takes a file name/],
    ['a digest file that is a folder', ['--digest-file', '.'], 1, /--digest-file \. cannot be written: it is a folder/],
    [
      'a digest file in a missing folder',
      ['--digest-file', 'no/where/x'],
      1,
      /--digest-file no\/where\/x cannot be written: there is no folder .*no\/where/,
    ],
    [
      'a metadata file in a missing folder',
      ['--metadata-file', 'nowhere/x'],
      1,
      /--metadata-file nowhere\/x cannot be written: there is no folder .*nowhere/,
    ],
    ['one file for both', ['--metadata-file', 'x', '--digest-file', 'x'], 2, /cannot name the same file/],
  ])('%s', async (_name, flags, code, message) => {
    await cli.must('create', list, at('team/app:amd64'), at('team/app:arm64'));
    requests.length = 0;
    expect(await cli.run(['push', ...flags])).toMatchObject({
      code,
      stdout: '',
      stderr: expect.stringMatching(message) as unknown,
    });
    expect(sent().filter((request) => !request.startsWith('HEAD'))).toEqual([]);
  });

  test('the error names the platforms of the list, and its OS versions if only the version differs', async () => {
    const windows = makeImage({
      salt: 'windows',
      platform: { architecture: 'amd64', os: 'windows', 'os.version': '10.0.20348.1' },
    });
    await pushImage(registry.url, 'team/app', 'windows', windows);
    await cli.must('create', list, at('team/app:windows'));
    expect(await cli.run(['push', '--expect', 'windows(10.0.17763)/amd64'])).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(
        /lacks windows\(10\.0\.17763\)\/amd64 \(available versions: 10\.0\.20348\.1\)[^]*hint: .*windows\(10\.0\.20348\.1\)\/amd64/,
      ) as unknown,
    });
    expect((await cli.run(['push', '--dry-run', '--expect', 'windows(10.0.20348)/amd64'])).code).toBe(0);
  });

  test('refuses an empty list without --allow-empty', async () => {
    await cli.must('create', list);
    expect(await cli.run(['push'])).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/the list is empty at \/manifests \(W-EMPTY\)\nhint: .*--allow-empty/) as unknown,
    });
    expect(sent()).toEqual([]);
    expect((await cli.run(['push', '--allow-empty'])).code).toBe(0);
    expect(JSON.parse((await served())?.bytes.toString() ?? '')).toMatchObject({ manifests: [] });
  });

  test('reports each error once without warnings, and with the option that allows it', async () => {
    const copies = ['x1', 'x2', 'x3'].map((salt) => makeImage({ salt }));
    for (const [index, image] of copies.entries()) await pushImage(registry.url, 'team/app', `x${index}`, image);
    await cli.must('create', list, at('team/app:x0'), at('team/app:x1'), at('team/app:x2'), '--format', 'oci');
    const { code, stderr } = await cli.run(['push']);
    expect([code, stderr.match(/two images for linux\/amd64/g)?.length]).toEqual([3, 2]);
    expect(stderr).toMatch(
      /has 2 errors\n {2}error E-DUP-PLATFORM .*\n {2}error .*\nhint: .*--allow-duplicates\. .*\n$/,
    );
    await cli.must('remove', copies[2]?.digest ?? '');
    expect((await cli.run(['push'])).stderr).toMatch(
      /^mlist: the list .* is refused: two images for linux\/amd64.*\nhint: .*--allow-duplicates\. .*\n$/,
    );
    await cli.must('remove', list, copies[1]?.digest ?? '');
    const pushed = await cli.run(['push']);
    expect([pushed.code, pushed.stderr]).toEqual([0, expect.not.stringContaining('warning')]);
    expect((await cli.run(['validate'])).stdout).toContain('the OCI index lists a Docker manifest');
  });

  test.each([
    ['linux/amd64,linux/arm64', 0],
    ['linux/aarch64', 0],
    ['linux/arm64/v8', 0],
    ['linux/arm64/v9', 3],
    ['arm64/v8', 2],
  ])('--expect %s exits with %i', async (expected, code) => {
    await cli.must('create', list, at('team/app:amd64'), at('team/app:arm64'));
    expect((await cli.run(['push', '--dry-run', '--expect', expected])).code).toBe(code);
  });

  test('--if-digest with the digest of the tag', async () => {
    await cli.must('create', list, at('team/app:amd64'));
    const digest = await cli.must('push');
    await cli.must('add', at('team/app:arm64'));
    expect((await cli.run(['push', '--if-digest', digest])).code).toBe(0);
  });

  test('--if-digest absent: only if the tag does not exist, or already has this list', async () => {
    await cli.must('create', list, at('team/app:amd64'));
    const digest = await cli.must('push', '--if-digest', 'absent');
    const none = `sha256:${'0'.repeat(64)}`;
    for (const state of ['absent', none]) {
      const again = await cli.run(['push', '--if-digest', state]);
      expect([again.code, again.stdout.trim()]).toEqual([0, digest]);
      expect(again.stderr).toMatch(/^unchanged /m);
    }
    await cli.must('add', at('team/app:arm64'));
    expect(await cli.run(['push', '--if-digest', 'absent'])).toMatchObject({
      code: 5,
      stderr: expect.stringMatching(
        /already exists and refers to sha256:.*\nhint: .*mlist show docker:\/\//,
      ) as unknown,
    });
  });

  test('a 412 without a condition is reported as an error of the registry', async () => {
    const proxy = cleanup(await RecordingProxy.start({ upstream: registry.url }));
    const refused = `${proxy.host}/team/app:refused`;
    await cli.must('create', refused, `${proxy.host}/team/app:amd64`);
    proxy.on(/^PUT .*refused/, answer(412));
    const result = await cli.run(['push']);
    expect(result).toMatchObject({
      code: 7,
      stdout: '',
      stderr: expect.stringMatching(/refused it \(HTTP 412\)/) as unknown,
    });
  });

  test('--if-digest absent: refuses if another list is pushed between the check and the push', async () => {
    const proxy = cleanup(await RecordingProxy.start({ upstream: registry.url }));
    const otherList = makeIndex([], { annotations: { from: 'elsewhere' } });
    const raced = `${proxy.host}/team/app:raced`;
    await cli.must('create', raced, `${proxy.host}/team/app:amd64`);
    proxy.on(/^PUT .*raced/, async ({ pass }) => {
      await putManifest(registry.url, 'team/app', 'raced', otherList.mediaType, otherList.bytes);
      await pass();
    });
    const result = await cli.run(['push', '--if-digest', 'absent']);
    expect(result).toMatchObject({ code: 5, stdout: '', stderr: expect.stringContaining(raced) as unknown });
    expect((await getManifest(registry.url, 'team/app', 'raced'))?.digest).toBe(otherList.digest);
  });

  test('writes a digest file through links, atomically, and directly to a pipe', async () => {
    await cli.must('create', list, at('team/app:amd64'));
    await mkdir(join(cli.folder, 'real'));
    await symlink('real/digest', join(cli.folder, 'link'));
    await symlink('link', join(cli.folder, 'again'));
    const digest = await cli.must('push', '--digest-file', 'again');
    expect(await readFile(join(cli.folder, 'real', 'digest'), 'utf8')).toBe(`${digest}\n`);
    expect((await lstat(join(cli.folder, 'link'))).isSymbolicLink()).toBe(true);
    await writeFile(join(cli.folder, 'real', 'digest'), 'something longer than that, which is all replaced'.repeat(9));
    await cli.must('push', '--digest-file', 'link');
    expect(await readFile(join(cli.folder, 'real', 'digest'), 'utf8')).toBe(`${digest}\n`);
    await symlink('circle', join(cli.folder, 'circle'));
    expect((await cli.run(['push', '--digest-file', 'circle'])).code).toBe(1);
    const pipe = join(cli.folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const [piped] = await Promise.all([readFile(pipe, 'utf8'), cli.must('push', '--digest-file', 'pipe')]);
    expect([piped, (await lstat(pipe)).isFIFO()]).toEqual([`${digest}\n`, true]);
  });

  test('a file in memory is replaced as others are', async () => {
    const folder = await mkdtemp('/dev/shm/mlist-test-').catch(() => undefined);
    if (folder === undefined) return; // Only Linux has this folder.
    cleanup({ close: () => rm(folder, { recursive: true }) });
    await cli.must('create', list, at('team/app:amd64'));
    await writeFile(join(folder, 'digest'), 'something else');
    const digest = await cli.must('push', '--digest-file', join(folder, 'digest'));
    expect(await readFile(join(folder, 'digest'), 'utf8')).toBe(`${digest}\n`);
  });

  test('/dev/stdout is stdout, after the digest', async () => {
    await cli.must('create', list, at('team/app:amd64'));
    const { code, stdout } = await cli.run(['push', '--metadata-file', '/dev/stdout']);
    const [digest, ...rest] = stdout.split('\n');
    expect([code, JSON.parse(rest.join('\n'))]).toMatchObject([0, { 'containerimage.digest': digest }]);
  });

  test('writes no digest file for a failed push, or for a dry run', async () => {
    const file = join(cli.folder, 'digest');
    await cli.must('create', list, at('team/app:amd64'));
    expect((await cli.run(['push', '--digest-file', file, '--expect', 'linux/s390x'])).code).toBe(3);
    await cli.must('push', '--digest-file', file, '--dry-run');
    await expect(readFile(file)).rejects.toThrow(/ENOENT/);
    const digest = await cli.must('push', '--digest-file', file, '--metadata-file', `${file}.json`);
    expect(await readFile(file, 'utf8')).toBe(`${digest}\n`);
    expect(JSON.parse(await readFile(`${file}.json`, 'utf8'))).toMatchObject({
      'containerimage.digest': digest,
      'image.name': list,
    });
  });
});
