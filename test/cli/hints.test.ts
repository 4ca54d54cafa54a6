import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { World } from '../support/world.ts';

/** What to write instead of what users of other tools type. */

/** No registry can be reached. */
const env = { HTTPS_PROXY: 'http://127.0.0.1:9' };

const run = (world: World, args: readonly string[], more: object = {}) =>
  world.run([...args, '--retries', '0'], { env, ...more });

describe('locations', () => {
  const archive = (path: string) =>
    `Write an archive as oci-archive:${path}, or docker-archive:${path} if "docker save" has written it.`;

  test.each<[string, string]>([
    ['oci-layout://web:v1', 'Write it as oci:web:v1.'],
    ['oci-layout:web', 'Write it as oci:web.'],
    ['ocidir://web:v1', 'Write it as oci:web:v1.'],
    ['docker-image://alpine:3', 'Write it as docker://alpine:3.'],
    ['https://x.io/team/app:1', 'Write it as x.io/team/app:1.'],
    ['oci://x.io/app', 'Write a folder as oci:x.io/app, and a registry as docker://x.io/app.'],
    ['oci-archive://web.tar', 'Write it as oci-archive:web.tar.'],
    ['oci-arcive:web.tar', 'Write it as oci-archive:web.tar.'],
    [
      'docker-deamon:web',
      'Save images of a Docker engine with "docker save web -o FILE", and write docker-archive:FILE.',
    ],
    ['./web.tar', archive('./web.tar')],
    ['../other/web.tar.gz', archive('../other/web.tar.gz')],
    ['web.tar', archive('web.tar')],
    ['saved', archive('saved')],
    ['./folder', 'Write a folder with an OCI layout as oci:./folder.'],
    ['folder/', 'Write a folder with an OCI layout as oci:folder/.'],
  ])('%s', async (text, hint) => {
    const world = await World.make();
    await mkdir(join(world.folder, 'folder'));
    await writeFile(join(world.folder, 'saved'), '');
    for (const args of [
      ['show', text],
      ['copy', text, 'oci:there'],
      ['create', 'x.io/l:1', text],
    ]) {
      const ran = await run(world, args);
      expect([ran.code === 0, ran.stderr]).toEqual([false, expect.stringContaining(`hint: ${hint}`)]);
    }
  });

  test.each(['httpd:2.4', 'registry:2', 'docker:dind', 'x.io/web.tar', 'https://me:secret@x.io/app'])(
    '%s gets no such hint',
    async (text) => {
      const { stderr } = await run(await World.make(), ['show', text]);
      expect(stderr).not.toMatch(/hint: |secret/);
    },
  );

  test('in a spec', async () => {
    const stdin = 'list: x.io/l:1\nmanifests: [oci-layout://web:1]\n';
    const { stderr } = await run(await World.make(), ['apply', '-f', '-'], { stdin });
    expect(stderr).toContain(
      'stdin:2:13: invalid reference "oci-layout://web:1": a reference has no scheme. Write it as oci:web:1.',
    );
  });

  test('of one of several images', async () => {
    const { stderr } = await run(await World.make(), ['create', 'x.io/l:1', 'web.tar', 'x.io/a:1']);
    expect(stderr).toContain(`library/web.tar:latest: `);
    expect(stderr.match(/hint: Write an archive/g)).toHaveLength(1);
  });
});
