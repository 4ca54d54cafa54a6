import { describe, expect, test } from '@jest/globals';
import { annotate, drafted, image, list, serveImages, cli, type Document } from '../support/edit-fixture.ts';

/** `annotate` of the list itself, and the changes that it refuses. */
serveImages();

describe('the list itself', () => {
  test('sets and removes annotations', async () => {
    await drafted('arm64');
    await annotate('--index-annotation', 'org.opencontainers.image.description=A test', '--index-annotation', 'x=y');
    expect(JSON.parse(await cli.must('inspect'))).toMatchObject({
      annotations: { x: 'y', 'org.opencontainers.image.description': 'A test' },
    });
    await annotate('--index-annotation', 'x-', '--index-annotation', 'org.opencontainers.image.description-');
    expect(JSON.parse(await cli.must('inspect'))).not.toHaveProperty('annotations');
  });

  test('reports whether the list changed, and show prints its annotations', async () => {
    await drafted('arm64');
    const note = async (...flags: readonly string[]) => (await annotate(...flags)).stderr;
    expect(await note('--index-annotation', 'x=y')).toContain(`annotated the list ${list}\n`);
    expect(await note('--index-annotation', 'x=y')).toContain(`unchanged the list ${list}\n`);
    expect(await note('--subject', image('amd64'))).toContain(`annotated the list ${list}\n`);
    const digest = await cli.must('digest', image('amd64'));
    expect(await cli.must('show')).toMatch(new RegExp(`subject +${digest}\n.*x = y`));
    expect(await cli.json('show')).toMatchObject({ subject: digest, annotations: { x: 'y' } });
  });

  test('reads a subject from the registry, and clears it', async () => {
    await drafted('arm64');
    expect((await annotate('--subject', image('amd64'))).code).toBe(0);
    const { subject } = JSON.parse(await cli.must('inspect')) as Document;
    expect(subject?.digest).toBe(await cli.must('digest', image('amd64')));
    expect((await annotate('--subject', image('gone'))).code).toBe(4);
    await annotate('--subject', '');
    expect(JSON.parse(await cli.must('inspect'))).not.toHaveProperty('subject');
  });

  test('a push as a Docker list names each field that such a list cannot have', async () => {
    await drafted('arm64', 'amd64');
    await annotate('--platform', 'linux/amd64', '--annotation', 'a=b');
    const digest = (await cli.must('digest', image('amd64'))).slice(0, 'sha256:'.length + 12);
    const refused = (reason: string) => ({
      code: 3,
      stderr: expect.stringContaining(reason) as unknown,
    });
    const docker = ['push', '--format', 'docker'];
    const entry = `linux/amd64 (${digest})`;
    expect(await cli.run(docker)).toMatchObject(refused(`${entry} has annotations, which a Docker list cannot store`));
    await annotate('--platform', 'linux/amd64', '--annotation', 'a-', '--artifact-type', 'application/x.y');
    expect(await cli.run(docker)).toMatchObject(refused(`artifactType of ${entry}: allowed only in an OCI index`));
    expect(await cli.run(docker)).toMatchObject(refused('hint: Push the list as an OCI index.'));
    await annotate('--platform', 'linux/amd64', '--artifact-type', '');
    expect((await cli.run(docker)).code).toBe(0);
  });

  test('refuses annotations for a list with --format docker, and drops nothing', async () => {
    await cli.must('create', list, image('arm64'), '--format', 'docker');
    await annotate('--index-annotation', 'x=y');
    expect(await cli.run(['push'])).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(
        /annotations of the list: allowed only in an OCI index[^]*hint: .*--format oci/,
      ) as unknown,
    });
    for (const command of ['inspect', 'digest', 'diff']) {
      expect(await cli.run([command])).toMatchObject({
        code: 3,
        stdout: '',
        stderr: expect.stringMatching(
          /allowed only in an OCI index[^]*hint: .*--format oci.*mlist create --amend/,
        ) as unknown,
      });
    }
    expect(await cli.run(['show'])).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('allowed only in an OCI index') as unknown,
    });
    expect((await cli.run(['push', '--format', 'oci'])).code).toBe(0);
  });
});

describe('refuses to write a draft that could not be read again', () => {
  test.each([
    ['an invalid artifact type', ['--artifact-type', 'no type']],
    ['an invalid artifact type of the list', ['--index-artifact-type', 'x']],
  ])('%s', async (_name, flags) => {
    await drafted('arm64');
    const before = await cli.must('inspect');
    expect(await annotate(...flags)).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('must be a media type') as unknown,
    });
    expect(await cli.must('inspect')).toBe(before);
  });
});
