import { readFileSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { startRegistry } from '../../src/server/start-registry.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { cleanup } from '../support/cleanup.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** Hints for users of other tools. */

/** No registry is reachable. */
const env = { HTTPS_PROXY: 'http://127.0.0.1:9' };

const run = (cli: CliHarness, args: readonly string[], more: object = {}) =>
  cli.run([...args, '--retries', '0'], { env, ...more });

describe('locations', () => {
  const archive = (path: string) =>
    `For an archive, write oci-archive:${path}, or docker-archive:${path} if it was created by an older "docker save" or "podman save".`;

  test.each<[string, string]>([
    ['oci-layout://web:v1', 'Write it as oci:web:v1.'],
    ['oci-layout:web', 'Write it as oci:web.'],
    ['ocidir://web:v1', 'Write it as oci:web:v1.'],
    ['docker-image://alpine:3', 'Write it as docker://alpine:3.'],
    ['https://x.io/team/app:1', 'Write it as x.io/team/app:1.'],
    ['oci://x.io/app', 'For an OCI layout, write oci:x.io/app. For a registry, write docker://x.io/app.'],
    ['oci-archive://web.tar', 'Write it as oci-archive:web.tar.'],
    ['oci-arcive:web.tar', 'Write it as oci-archive:web.tar.'],
    ['docker-deamon:web', 'Write it as docker-daemon:web.'],
    ['./web.tar', archive('./web.tar')],
    ['../other/web.tar.gz', archive('../other/web.tar.gz')],
    ['web.tar', archive('web.tar')],
    ['saved', archive('saved')],
    ['./folder', 'For an OCI layout, write oci:./folder.'],
    ['folder/', 'For an OCI layout, write oci:folder/.'],
  ])('%s', async (text, hint) => {
    const cli = await CliHarness.make();
    await mkdir(join(cli.folder, 'folder'));
    await writeFile(join(cli.folder, 'saved'), '');
    for (const args of [
      ['show', text],
      ['copy', text, 'oci:there'],
      ['create', 'x.io/l:1', text],
    ]) {
      const result = await run(cli, args);
      expect([result.code === 0, result.stderr]).toEqual([false, expect.stringContaining(`hint: ${hint}`)]);
    }
  });

  test.each(['httpd:2.4', 'registry:2', 'docker:dind', 'x.io/web.tar', 'https://me:secret@x.io/app'])(
    '%s gets no such hint',
    async (text) => {
      const { stderr } = await run(await CliHarness.make(), ['show', text]);
      // The registry may be unreachable.
      expect(
        stderr.replace(
          /hint: (?:If docker[.]io cannot be reached|Check the (?:host|spelling|address of the proxy)).*/,
          '',
        ),
      ).not.toMatch(/hint: |secret/);
    },
  );

  test('in a spec', async () => {
    const stdin = 'list: x.io/l:1\nmanifests: [oci-layout://web:1]\n';
    const { stderr } = await run(await CliHarness.make(), ['apply', '-f', '-'], { stdin });
    expect(stderr).toContain(
      'stdin:2:13: invalid reference "oci-layout://web:1": a reference must not have a URL scheme. Write it as oci:web:1.',
    );
  });

  test('for one of several images', async () => {
    const { stderr } = await run(await CliHarness.make(), ['create', 'x.io/l:1', 'web.tar', 'x.io/a:1']);
    expect(stderr).toContain(`library/web.tar:latest: `);
    expect(stderr.match(/hint: For an archive, write/g)).toHaveLength(1);
  });
});

describe('an unknown member of a spec', () => {
  const schema = JSON.parse(readFileSync('schemas/spec.schema.json', 'utf8')) as {
    properties: object;
    $defs: { manifest: { properties: object } };
  };
  const apply = async (spec: object) =>
    (await CliHarness.make()).run(['apply', '-f', '-'], { stdin: JSON.stringify(spec) });

  test.each([
    ['tag', 'tags'],
    ['tgas', 'tags'],
    ['images', 'manifests'],
    ...Object.keys(schema.properties).map((name) => [`${name}s`, name] as const),
  ])('%s', async (typed, suggestion) => {
    const { code, stderr } = await apply({ list: 'x.io/l:1', [typed]: 1 });
    const known = Object.keys(schema.properties).includes(typed);
    const message = `unknown member: did you mean "${suggestion}"? (at /${typed})`;
    expect([code, stderr]).toEqual([3, known ? expect.anything() : expect.stringContaining(message)]);
  });

  test.each([
    ['platfrom', 'platform'],
    ['source', 'image'],
    ...Object.keys(schema.$defs.manifest.properties).map((name) => [`_${name}`, name] as const),
  ])('%s of an image', async (typed, suggestion) => {
    const { code, stderr } = await apply({ list: 'x.io/l:1', manifests: [{ image: 'x.io/a:1', [typed]: 1 }] });
    const message = `did you mean "${suggestion}"? (at /manifests/0/${typed})`;
    expect([code, stderr]).toEqual([3, expect.stringContaining(message)]);
  });

  test('arch of a platform, and a member without a similar one', async () => {
    const manifests = [{ image: 'x.io/a:1', platform: { arch: 'arm64', constructor: 'x' } }];
    const { stderr } = await apply({ list: 'x.io/l:1', manifests });
    expect(stderr).toContain('unknown member: did you mean "architecture"? (at /manifests/0/platform/arch)');
    expect(stderr).toContain('unknown member (at /manifests/0/platform/constructor)');
  });
});

describe('commands and options of other tools', () => {
  test.each(['-p secret', '-psecret', '--password secret', '--password=secret', '-u me -p secret'])(
    'login %s',
    async (options) => {
      const { code, stderr } = await run(await CliHarness.make(), ['login', ...options.split(' '), 'x.io']);
      expect([code, stderr]).toEqual([2, expect.stringContaining('mlist login HOST -u USER --password-stdin')]);
      expect(stderr).not.toContain('secret');
    },
  );

  test.each([
    ['merge', 'mlist create LIST MANIFEST... --push'],
    ['history', 'mlist inspect REF'],
    ['catalog', 'mlist tags REPO'],
    ['sign', 'mlist digest'],
  ])('%s', async (command, hint) => {
    const { code, stderr } = await run(await CliHarness.make(), [command, 'x']);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/^mlist: unknown command "\w+"\nhint: /)]);
    expect(stderr).toContain(hint);
  });
});

describe('a home folder that is not writable', () => {
  test('of the workspace', async () => {
    const registry = cleanup(await startRegistry());
    await pushImage(registry.url, 'team/app', 'v1', makeImage());
    const cli = await CliHarness.make();
    await writeFile(join(cli.folder, 'file'), '');
    const { code, stderr } = await run(cli, ['create', `${registry.host}/l:1`, `${registry.host}/team/app:v1`], {
      env: { XDG_DATA_HOME: join(cli.folder, 'file') },
    });
    expect([code, stderr]).toEqual([1, expect.stringMatching(/cannot write .*file/)]);
    expect(stderr).toContain('Choose another folder for the drafts with --workspace or MLIST_WORKSPACE.');
  });

  test('of the credentials', async () => {
    const registry = cleanup(await startRegistry());
    const cli = await CliHarness.make();
    await symlink(join(cli.folder, 'gone', 'folder'), join(cli.folder, 'link'));
    const { code, stderr } = await run(cli, ['login', registry.host, '-u', 'me', '--password-stdin'], {
      env: { DOCKER_CONFIG: join(cli.folder, 'link') },
      stdin: 'secret',
    });
    expect([code, stderr]).toEqual([1, expect.stringContaining('for the credentials with --authfile')]);
  });

  test.each([
    ['create', 'x.io/l:1', '-f'],
    ['create', 'x.io/l:1', '--metadata-file'],
    ['create', 'x.io/l:1', '--docker-metadata'],
    ['apply', '-f'],
    ['validate'],
  ])('a folder in place of a file has no such hint: %s %s %s', async (...args) => {
    const cli = await CliHarness.make();
    const { code, stderr } = await run(cli, [...args.filter(Boolean), cli.folder]);
    expect([code, stderr]).toEqual([4, `mlist: cannot read ${cli.folder}: it is a folder\n`]);
  });

  test.each([
    ['--digest-file', ['push', 'x.io/l:1']],
    ['--ca-file', ['login', 'x.io', '-u', 'me', '--password-stdin']],
  ])('another file has no such hint: %s', async (option, args) => {
    const cli = await CliHarness.make();
    const { code, stderr } = await run(cli, [...args, option, cli.folder], { stdin: 'secret' });
    expect([code === 0, stderr]).toEqual([false, expect.stringMatching(/it is a folder|EISDIR/)]);
    expect(stderr).not.toMatch(/Choose another/);
  });
});

describe('create -t LIST IMAGE', () => {
  test.each([
    ['x.io/l:1', 'x.io/app:2=linux/arm/v7', true],
    ['x.io/l:1', 'oci:$(touch /tmp/x)', false],
    ['x.io/l:1', 'oci:a b', false],
    ['x.io/l:1;id', 'x.io/a:1', false],
  ])('%s %j: the hint shows the right order if no argument needs quoting: %p', async (list, image, isShown) => {
    const { code, stderr } = await run(await CliHarness.make(), ['create', '-t', list, 'x.io/first:1', image]);
    expect([code, stderr.includes('The list comes before')]).toEqual([2, isShown]);
  });
});
