import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Problem } from '../../src/errors/errors.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { putInArchive, putInLayout } from '../support/layouts.ts';
import { here, list, registry, repository, run, runInOtherFolder, cli } from '../support/other-folder-fixture.ts';
import { type CliResult } from '../support/cli-harness.ts';

/** Missing layouts and archives of a draft: the error names each affected entry, with its path relative to the current folder. */

const [amd64, arm64, s390x, riscv64] = ['amd64', 'arm64', 's390x', 'riscv64'].map((architecture) =>
  makeImage({ salt: architecture, kind: 'oci', platform: { architecture, os: 'linux' } }),
) as [Image, Image, Image, Image];
type Image = ReturnType<typeof makeImage>;

runInOtherFolder();

/** A draft with two images in a layout, one in an archive and one in a registry, after the files were moved away. */
beforeEach(async () => {
  await putInLayout(join(here, 'img'), amd64, 'amd64');
  await putInLayout(join(here, 'img'), arm64, 'arm64');
  await putInArchive(join(here, 'x.tar'), s390x, 'v1');
  await pushImage(registry.url, repository, 'riscv64', riscv64);
  const created = await run('create', list, ...sources, `${registry.host}/${repository}:riscv64`);
  if (created.code !== 0) throw new Error(created.stderr);
  for (const name of ['img', 'x.tar']) await rename(join(here, name), join(here, `moved-${name}`));
});

const sources = ['oci:img:amd64', 'oci:img:arm64', 'oci-archive:x.tar:v1'];
const linesOf = ({ stderr }: CliResult) => stderr.split('\n').filter((line) => line.startsWith('mlist: '));

describe('a missing layout and a missing archive', () => {
  const gone = [
    /^mlist: the image oci:img:amd64 \(linux\/amd64, \S+\) no longer exists in its layout: img is not an OCI layout: the folder does not exist$/,
    /^mlist: the image oci:img:arm64 \(linux\/arm64, \S+\) no longer exists in its layout: img is not an OCI layout: /,
    /^mlist: the image oci-archive:x\.tar:v1 \(linux\/s390x, \S+\) no longer exists in its archive: there is no archive x\.tar$/,
  ];

  test.each([[[]], [['--force']], [['--dry-run']], [['--to', 'oci-archive:new.tar:v1']]])(
    'push %j names each entry of a missing store',
    async (flags) => {
      const result = await run('push', ...flags);
      expect([result.code, result.stdout]).toEqual([4, '']);
      const lines = linesOf(result);
      expect(lines).toEqual(gone.map((one) => expect.stringMatching(one) as unknown));
      expect(result.stderr).toContain(`mlist remove ${list} ${arm64.digest.slice(0, 'sha256:'.length + 12)}`);
    },
  );

  test('create --amend names each source', async () => {
    const result = await run('create', '--amend');
    expect([result.code, linesOf(result)]).toEqual([
      4,
      [
        'mlist: cannot read oci:img:amd64: img is not an OCI layout: the folder does not exist',
        'mlist: cannot read oci:img:arm64: img is not an OCI layout: the folder does not exist',
        'mlist: cannot read oci-archive:x.tar:v1: there is no archive x.tar',
      ],
    ]);
    const { stderr } = await run('create', '--amend', '--json');
    const refs = stderr
      .split('\n')
      .flatMap((line) => (line === '' ? [] : [(JSON.parse(line) as { ref?: string }).ref]));
    expect(refs).toEqual(sources);
  });

  test('validate --deep reports each entry as missing, and checks the others', async () => {
    await rm(join(cli.workspace, 'blobs'), { recursive: true });
    await fetch(`${registry.url}/v2/${repository}/manifests/${riscv64.digest}`, { method: 'DELETE' });
    const { code, stdout } = await run('validate', '--deep', '--json');
    const { problems } = JSON.parse(stdout) as { problems: readonly Problem[] };
    expect([code, problems.map(({ rule, pointer, message }) => `${rule} ${pointer} ${message}`)]).toEqual([
      3,
      [
        expect.stringMatching(
          /^E-ABSENT \/manifests\/0 the manifest is missing: oci:img:amd64 \(linux\/amd64, \S+\): img is not an OCI layout/,
        ),
        expect.stringMatching(/^E-ABSENT \/manifests\/1 the manifest is missing: oci:img:arm64 /),
        expect.stringMatching(
          /^E-ABSENT \/manifests\/2 the manifest is missing: oci-archive:x\.tar:v1 \(.*\): there is no archive x\.tar$/,
        ),
        expect.stringMatching(/^E-ABSENT \/manifests\/3 /),
      ],
    ]);
    expect((await run('validate', '--deep')).stdout.match(/^error E-ABSENT/gm)).toHaveLength(4);
  });

  test('a draft in a file is validated in the same way', async () => {
    const { stdout } = await run('ls', '--json');
    const [{ path }] = (JSON.parse(stdout) as { drafts: [{ path: string }] }).drafts;
    const result = await run('validate', '--deep', path);
    expect([
      result.code,
      result.stdout.match(/^error E-ABSENT \/manifests\/\d.*: oci(?:-archive)?:/gm)?.length,
    ]).toEqual([3, 3]);
  });
});

test('validate --deep refuses a damaged layout and archive, and checks the others', async () => {
  await mkdir(join(here, 'img'));
  await writeFile(join(here, 'img', 'oci-layout'), '{}');
  await writeFile(join(here, 'x.tar'), 'no tar');
  const { code, stdout } = await run('validate', '--deep');
  expect([code, stdout.split('\n').map((line) => line.replace(/sha256:\w+/, 'DIGEST'))]).toEqual([
    3,
    [
      expect.stringMatching(
        /^error E-CONTENT \/manifests\/0: DIGEST: img\/oci-layout: imageLayoutVersion is missing; only "1\.0\.0" is supported/,
      ),
      expect.stringMatching(/^error E-CONTENT \/manifests\/1: DIGEST: img\/oci-layout: /),
      expect.stringMatching(/^error E-CONTENT \/manifests\/2: DIGEST: cannot read the archive x\.tar: /),
      '',
    ],
  ]);
});

test.each<[string, number, RegExp]>([
  ['oci:../job/none:v1', 4, /cannot read oci:none:v1: none is not an OCI layout: the folder does not exist/],
  ['oci:.', 4, /cannot read oci:\.: \. is not an OCI layout: it has no oci-layout file/],
  ['oci-archive:./none.tar', 4, /cannot read oci-archive:none\.tar: there is no archive none\.tar/],
  ['docker-archive:none.tar:a', 4, /cannot read docker-archive:none\.tar:a: there is no archive none\.tar/],
  ['oci-archive:moved-img', 3, /cannot read the archive moved-img: it is not a regular file/],
])('%s is reported with the path as typed', async (name, expectedCode, message) => {
  for (const command of ['digest', 'show', 'validate', 'copy']) {
    const { code, stderr } = await run(command, name, ...(command === 'copy' ? ['oci:copy:v1'] : []));
    expect([command, code, stderr]).toEqual([command, expectedCode, expect.stringMatching(message)]);
    expect(stderr).not.toContain(cli.folder);
  }
});
