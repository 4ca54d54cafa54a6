import { describe, expect, test } from '@jest/globals';
import {
  annotate,
  drafted,
  entries,
  image,
  list,
  registry,
  summaryOf,
  serveImages,
  cli,
} from '../support/edit-fixture.ts';

/** `annotate` without MANIFEST, which selects the entry by the platform that it sets. */
serveImages();

describe('annotate without MANIFEST', () => {
  test.each<[string, readonly string[], readonly string[], number]>([
    ['by architecture', ['amd64', 'arm64'], ['--arch', 'arm64', '--variant', 'v8'], 1],
    ['by an alias', ['amd64', 'arm64'], ['--arch', 'aarch64', '--variant', 'v8'], 1],
    ['by os', ['amd64', 'windows'], ['--os', 'windows', '--os-version', '10.0.20348.1'], 1],
    ['by architecture and variant', ['armv6', 'armv7'], ['--arch', 'arm', '--variant', 'v7', '--annotation', 'k=v'], 1],
    [
      'by os and a variant of arm',
      ['amd64', 'armv7', 'windows'],
      ['--os', 'linux', '--variant', 'v7', '--annotation', 'k=v'],
      1,
    ],
    ['the only image', ['arm64'], ['--variant', 'v8'], 0],
    ['the only image, with attestations', ['built'], ['--arch', 'arm64', '--variant', 'v8'], 1],
    [
      'by --platform, which does not change the platform',
      ['amd64', 'arm64'],
      ['--platform', 'linux/arm64', '--arch', 's390x'],
      1,
    ],
  ])('%s', async (_name, images, flags, at) => {
    await drafted(...images);
    const before = await entries();
    expect(await annotate(...flags)).toMatchObject({ code: 0 });
    const after = await entries();
    const changed = after.flatMap((entry, position) =>
      summaryOf(entry) === summaryOf(before[position]) ? [] : [position],
    );
    expect(changed.length === 0 ? [at] : changed).toEqual([at]);
  });

  test.each<[string, readonly string[], readonly string[], number]>([
    ['no such architecture', ['amd64', 'arm64'], ['--arch', 's390x', '--variant', 'v8'], 4],
    ['another variant', ['armv6'], ['--arch', 'arm', '--variant', 'v7'], 4],
    ['another version', ['windows'], ['--os', 'windows', '--os-version', '10.0.17763.1'], 4],
    ['a variant of arm on linux that does not exist', ['amd64'], ['--os', 'linux', '--variant', 'v7'], 4],
    ['two images for one architecture', ['armv6', 'armv7'], ['--arch', 'arm', '--annotation', 'k=v'], 2],
    ['two images, and no selection', ['amd64', 'arm64'], ['--annotation', 'k=v'], 2],
    ['no image at all', [], ['--variant', 'v8'], 4],
  ])('%s: nothing is changed', async (_name, images, flags, code) => {
    await drafted(...images);
    const before = await cli.must('inspect');
    expect((await annotate(...flags)).code).toBe(code);
    expect(await cli.must('inspect')).toBe(before);
  });

  test('lists several candidates as commands, and each of them works', async () => {
    await drafted('armv6', 'armv7');
    const { stderr } = await annotate('--arch', 'arm', '--annotation', "k=it's");
    const commands = stderr.split('\n').filter((line) => line.includes('mlist annotate'));
    expect(commands).toHaveLength(2);
    const [, , name, digest, ...rest] = (commands[1] ?? '').trim().split(' ');
    expect(rest.join(' ')).toBe("--arch arm --annotation 'k=it'\\''s'");
    expect((await annotate(name ?? '', digest ?? '', '--arch', 'arm', '--annotation', "k=it's")).code).toBe(0);
    expect((await entries()).map((entry) => entry.annotations)).toEqual([undefined, { k: "it's" }]);
  });

  test('the commands have all options of the command line', async () => {
    await drafted('armv6', 'armv7');
    const options = ['--arch', 'arm', '--os-features', 'f', '--artifact-type', 'a/b', '--index-annotation', 'k=v'];
    const more = ['--index-artifact-type', 'c/d', '--subject', image('armv6'), '--strict', '--push', '--replace-image'];
    const { code, stderr } = await annotate(...options, ...more);
    expect([code, stderr]).toEqual([2, expect.stringContaining([...options, ...more].join(' '))]);
  });

  test('prompts for the entry on a terminal', async () => {
    await drafted('armv6', 'armv7');
    const result = await cli.run(['annotate', '--arch', 'arm', '--annotation', 'k=v'], {
      terminal: true,
      answers: ['2'],
    });
    expect([result.code, result.stderr]).toEqual([0, expect.stringMatching(/Select an entry \[1-2\]/)]);
    expect((await entries())[1]?.annotations).toEqual({ k: 'v' });
  });

  test.each([
    ['with --no-input', ['--no-input'], {}],
    ['in CI', [], { CI: 'true' }],
  ])('does not prompt %s', async (_name, flags, env) => {
    await drafted('armv6', 'armv7');
    expect(
      (
        await cli.run(['annotate', '--arch', 'arm', '--annotation', 'k=v', ...flags], {
          terminal: true,
          env,
          answers: ['1'],
        })
      ).code,
    ).toBe(2);
  });

  test('without a current draft: exit code 4', async () => {
    expect(await annotate('--arch', 'arm64')).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('mlist use') as unknown,
    });
  });

  test('with --list, a single argument is an image', async () => {
    await drafted('arm64', 'amd64');
    await cli.must('create', `${registry.host}/team/app:another`);
    expect((await annotate('-l', list, image('arm64'), '--variant', 'v8')).code).toBe(0);
    expect((await annotate('-l', list, image('arm64'), 'x', '--variant', 'v8')).code).toBe(2);
    expect((await annotate('-l', '', list, image('arm64'), '--variant', 'v8')).code).toBe(2);
  });
});
