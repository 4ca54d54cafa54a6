import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as zlib from 'node:zlib';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { amd64, builds, putDockerArchive, registry, serveLocalBuilds } from '../support/local-builds.ts';
import { tarOf } from '../store/archive/tar-bytes.ts';
import { getManifest, makeImage, pushImage, sha256 } from '../support/images.ts';
import type { CliHarness, CliHarnessOptions } from '../support/cli-harness.ts';

/** Archives that are read from stdin and written to stdout. */
serveLocalBuilds();

const at = (name: string): string => `${registry.host}/pipes/${name}`;

let count = 0;
async function pushed(): Promise<string> {
  const repository = `pipes/source${(count += 1)}`;
  await pushImage(registry.url, repository, 'v1', amd64);
  return `${registry.host}/${repository}:v1`;
}

async function dockerArchive(cli: CliHarness): Promise<Buffer> {
  await putDockerArchive(join(cli.folder, 'saved.tar'), 'team/app:riscv64');
  return readFile(join(cli.folder, 'saved.tar'));
}

function piped(stdin: Uint8Array): CliHarnessOptions {
  return { stdin };
}

describe('an archive on stdin', () => {
  test('of docker save is copied, compressed or not', async () => {
    const cli = await builds();
    const archive = await dockerArchive(cli);
    const plain = await cli.must('digest', 'docker-archive:saved.tar');
    for (const [number, stdin] of [archive, gzipSync(archive)].entries()) {
      const target = at(`saved:${number}`);
      expect(await cli.run(['copy', 'docker-archive:-', target], piped(stdin))).toMatchObject({
        code: 0,
        stdout: `${plain}\n`,
      });
      expect(await cli.must('digest', target)).toBe(plain);
    }
  });

  test('selects an image by its name, and an OCI archive by its tag', async () => {
    const cli = await builds();
    const archive = await dockerArchive(cli);
    const named = await cli.run(['digest', 'docker-archive:-:team/app:riscv64'], piped(archive));
    expect(named).toMatchObject({ code: 0 });
    const layout = await readFile(join(cli.folder, 'out', 'arm64.tar'));
    expect(await cli.run(['digest', 'oci-archive:-:v1'], piped(layout))).toMatchObject({
      code: 0,
      stdout: `${await cli.must('digest', 'oci-archive:out/arm64.tar:v1')}\n`,
    });
  });

  test('is pushed by create, and the draft names it', async () => {
    const cli = await builds();
    const list = at('list:v1');
    const created = await cli.run(
      ['create', list, 'docker-archive:-', 'oci:out/amd64', '--push'],
      piped(await dockerArchive(cli)),
    );
    expect(created).toMatchObject({ code: 0 });
    const digest = created.stdout.trim();
    expect(await cli.must('digest', `docker://${list}`)).toBe(digest);
    expect((await cli.run(['show', list])).stdout).toContain('docker-archive:-');
    // The content is where it was pushed, so a second push needs no stdin.
    expect(await cli.run(['push', list])).toMatchObject({ code: 0, stdout: `${digest}\n` });
    const elsewhere = await cli.run(['push', list, '--to', `${registry.host}/elsewhere/app:v1`]);
    expect(elsewhere).toMatchObject({ code: 2 });
    expect(elsewhere.stderr).toContain('stdin can only be read by the command that adds the archive');
  });

  test('is read by every command that reads images', async () => {
    const cli = await builds();
    const archive = await dockerArchive(cli);
    for (const line of [
      ['inspect', 'docker-archive:-'],
      ['show', 'docker-archive:-'],
      ['explain', 'docker-archive:-'],
      ['validate', '--deep', 'docker-archive:-'],
      ['diff', 'docker-archive:saved.tar', 'docker-archive:-'],
    ]) {
      expect(await cli.run(line, piped(archive))).toMatchObject({ code: 0 });
    }
  });

  test('a file whose name is "-" is read as ./-', async () => {
    const cli = await builds();
    await writeFile(join(cli.folder, '-'), await dockerArchive(cli));
    const list = at('dash:v1');
    await cli.must('create', list, 'docker-archive:./-');
    expect((await cli.run(['show', list])).stdout).toContain('docker-archive:./-');
    await cli.must('push', list);
  });

  const { zstdCompressSync } = zlib as { readonly zstdCompressSync?: (bytes: Uint8Array) => Buffer };
  test('with zstd is read where Node supports it', async () => {
    const cli = await builds();
    const bytes = zstdCompressSync?.(await dockerArchive(cli)) ?? Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0]);
    const { code, stderr } = await cli.run(['digest', 'docker-archive:-'], piped(bytes));
    if (zstdCompressSync === undefined) expect(stderr).toContain('which needs Node 22.15 or newer');
    expect(code).toBe(zstdCompressSync === undefined ? 2 : 0);
  });

  describe('is refused', () => {
    test.each<[string, (archive: Buffer) => Uint8Array, RegExp]>([
      ['if it is empty', () => Buffer.alloc(0), /stdin: it is empty/],
      ['if it is cut in a file', (archive) => archive.subarray(0, 700), /truncated/],
      [
        'if it is cut between files',
        (archive) => archive.subarray(0, archive.length - 1024),
        /the blocks of zeros at its end are missing/,
      ],
      ['if its gzip is cut', (archive) => gzipSync(archive).subarray(0, 200), /compressed data is truncated/],
      ['if its gzip is damaged', (archive) => damaged(gzipSync(archive)), /compressed data is damaged/],
      ['if it is compressed twice', (archive) => gzipSync(gzipSync(archive)), /compressed twice/],
      ['if it is compressed with xz', () => Buffer.from('fd377a585a00', 'hex'), /compressed with xz/],
      ['if it is not an archive', () => Buffer.from('hello '.repeat(500)), /not a tar archive/],
      ['if it is another archive', () => tarOf({ name: 'a' }), /manifest\.json is missing/],
    ])('%s', async (_, change, message) => {
      const cli = await builds();
      const stdin = change(await dockerArchive(cli));
      const { code, stderr } = await cli.run(['copy', 'docker-archive:-', at('bad')], piped(stdin));
      expect(stderr).toMatch(message);
      expect(code).toBe(3);
      expect(await getManifest(registry.url, 'pipes/bad', 'latest')).toBeUndefined();
    });

    test('if it does not fit into the spool, also if it expands while it is decompressed', async () => {
      const cli = await builds();
      const archive = tarOf({ name: 'a', content: Buffer.alloc(200_000) });
      for (const stdin of [archive, gzipSync(archive)]) {
        const line = ['digest', 'docker-archive:-', '--spool-limit', '100KiB'];
        const { code, stderr } = await cli.run(line, piped(stdin));
        expect(stderr).toMatch(
          /cannot store temporary files in .*: at least \d+ bytes are needed, but the limit is 102400/,
        );
        expect(code).toBe(1);
      }
    });

    test.each([
      ['zeros', Buffer.alloc(1024 * 1024), /stdin: it contains no files/],
      [
        'text',
        Buffer.alloc(1024 * 1024, 'y\n'),
        /stdin: it is damaged or not a tar archive: a header has a wrong checksum/,
      ],
    ])('without storing it, if it begins with %s', async (_name, bytes, message) => {
      const cli = await builds();
      const line = ['digest', 'docker-archive:-', '--spool-limit', '100KiB'];
      const { code, stderr } = await cli.run(line, piped(bytes));
      expect([code, stderr]).toEqual([3, expect.stringMatching(message)]);
    });

    test.each<[string, readonly string[], RegExp]>([
      ['by create without --push', ['create', 'app', 'docker-archive:-'], /needs --push/],
      ['by add without --push', ['add', 'app', 'oci-archive:-:v1=linux/amd64'], /needs --push/],
      ['twice', ['create', 'app', 'docker-archive:-', 'oci-archive:-', '--push'], /stdin can only be read once/],
      ['by two options', ['create', 'app', '-f', '-', '--docker-metadata', '-'], /--file - and --docker-metadata -/],
      ['by a file and build metadata', ['create', 'app', '-f', '-', '--metadata-file', '-'], /can only be read once/],
      ['beside -f -', ['create', 'app', 'docker-archive:-', '-f', '-', '--push'], /docker-archive:- and --file -/],
      [
        'beside --docker-metadata -',
        ['create', 'app', 'docker-archive:-', '--docker-metadata', '-', '--push'],
        /--docker-metadata -/,
      ],
      ['as a target, twice', ['push', 'app', '--to', 'oci-archive:-', '--to', 'oci-archive:-:b'], /written once/],
      ['as a docker archive to write', ['copy', 'app', 'docker-archive:-'], /docker archives can only be read/],
      ['with an invalid size', ['digest', 'docker-archive:-', '--spool-limit', '5 apples'], /takes a size/],
      [
        'with --archive-compression of a file',
        ['copy', 'app', 'oci-archive:a.tar', '--archive-compression', 'gzip'],
        /stdout/,
      ],
    ])('%s', async (_, line, message) => {
      const cli = await builds();
      const { code, stderr } = await cli.run(line, piped(await dockerArchive(cli)));
      expect(stderr).toMatch(message);
      expect(code).toBe(2);
    });

    test('from a terminal, and on a terminal', async () => {
      const cli = await builds();
      const reading = await cli.run(['digest', 'oci-archive:-'], { terminal: true });
      expect(reading).toMatchObject({ code: 2, stderr: expect.stringContaining('stdin is a terminal') });
      const writing = await cli.run(['copy', 'oci:out/amd64', 'oci-archive:-'], { terminal: true });
      expect(writing).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('stdout is a terminal') });
    });

    test('from a file of sources, or from a spec', async () => {
      const cli = await builds();
      await writeFile(join(cli.folder, 'sources'), 'docker-archive:-\n');
      const listed = await cli.run(['create', 'app', '-f', 'sources'], piped(await dockerArchive(cli)));
      expect(listed).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('stdin can only be read by the command'),
      });
      await writeFile(
        join(cli.folder, 'spec.json'),
        JSON.stringify({ list: at('spec'), manifests: ['docker-archive:-'] }),
      );
      const specified = await cli.run(['apply', '-f', 'spec.json'], piped(await dockerArchive(cli)));
      expect(specified).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('stdin can only be read by the command'),
      });
    });
  });
});

describe('an archive on stdout', () => {
  test('is the same as in a file, and nothing else is printed to stdout', async () => {
    const cli = await builds();
    const source = await pushed();
    const digest = await cli.must('copy', source, 'oci-archive:file.tar');
    const { code, stdout, stderr } = await cli.pipe(['copy', source, 'oci-archive:-']);
    expect(code).toBe(0);
    expect(stdout.equals(await readFile(join(cli.folder, 'file.tar')))).toBe(true);
    expect(stderr).toContain(digest);
    expect(stderr).toContain('pushed oci-archive:-:v1');
  });

  test('is read from stdin again', async () => {
    const cli = await builds();
    const source = await pushed();
    const { stdout } = await cli.pipe(['copy', source, 'oci-archive:-']);
    const through = await cli.pipe(['copy', 'oci-archive:-', 'oci-archive:-'], piped(stdout));
    expect(through.stdout.equals(stdout)).toBe(true);
    expect(await cli.run(['copy', 'oci-archive:-', at('again:v1')], piped(through.stdout))).toMatchObject({ code: 0 });
  });

  test('compressed with gzip, always to the same bytes', async () => {
    const cli = await builds();
    const source = await pushed();
    const { stdout: plain } = await cli.pipe(['copy', source, 'oci-archive:-']);
    const line = ['copy', source, 'oci-archive:-', '--archive-compression', 'gzip'];
    const [one, two] = [await cli.pipe(line), await cli.pipe(line)];
    expect(one.stdout.equals(two.stdout)).toBe(true);
    expect(gunzipSync(one.stdout).equals(plain)).toBe(true);
  });

  test('--json prints the document to stderr, in one line', async () => {
    const cli = await builds();
    const { stdout, stderr } = await cli.pipe(['copy', await pushed(), 'oci-archive:-', '--json']);
    expect(stdout.subarray(257, 262).toString()).toBe('ustar');
    const lines = stderr.trim().split('\n');
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ status: 'copied', ref: 'oci-archive:-:v1' });
  });

  test('of push', async () => {
    const cli = await builds();
    const list = at('to-stdout:v1');
    await cli.must('create', list, 'oci:out/amd64', 'oci-archive:out/arm64.tar:v1');
    const { code, stdout } = await cli.pipe(['push', list, '--to', 'oci-archive:-']);
    expect(code).toBe(0);
    expect(await cli.run(['digest', 'oci-archive:-'], piped(stdout))).toMatchObject({
      code: 0,
      stdout: `${await cli.must('digest', list)}\n`,
    });
  });

  test.each([[[]], [['--archive-compression', 'gzip']]])(
    'is refused by readers if the command failed %j',
    async (flags) => {
      const cli = await builds();
      const repository = 'pipes/damaged';
      const image = makeImage({ salt: 'damaged', layers: 2, noise: 400_000 });
      await pushImage(registry.url, repository, 'v1', image);
      await cli.must('copy', `${registry.host}/${repository}:v1`, 'oci:damaged');
      const last = image.blobs.at(-1)!;
      await writeFile(join(cli.folder, 'damaged', 'blobs', 'sha256', sha256(last).slice(7)), last.fill(0, 0, 100));
      const { code, stdout } = await cli.pipe(['copy', 'oci:damaged', 'oci-archive:-', ...flags]);
      expect(code).not.toBe(0);
      expect(stdout.length).toBeGreaterThan(0);
      expect(await cli.run(['digest', 'oci-archive:-'], piped(stdout))).toMatchObject({ code: 3 });
    },
  );
});

describe('--compression', () => {
  interface Manifest {
    readonly layers: readonly { readonly mediaType: string; readonly digest: string }[];
  }
  const manifestOf = async (cli: CliHarness, ref: string): Promise<Manifest> =>
    JSON.parse(await cli.must('inspect', ref, '--raw')) as Manifest;

  test('gzip compresses the layers of docker archives; the digest is the same in all commands', async () => {
    const cli = await builds();
    await dockerArchive(cli);
    const copied = await cli.must('copy', 'docker-archive:saved.tar', at('gzip:copied'), '--compression', 'gzip');
    expect((await manifestOf(cli, at('gzip:copied'))).layers.map(({ mediaType }) => mediaType)).toEqual([
      'application/vnd.oci.image.layer.v1.tar+gzip',
    ]);
    const list = at('gzip:list');
    await cli.must('create', list, 'docker-archive:saved.tar', '--compression', 'gzip');
    expect((await cli.run(['show', list, '--json'])).stdout).toContain(copied);
    await cli.must('push', list);
    expect(await cli.must('validate', '--deep', `docker://${list}`)).toBeDefined();
    const spec = { list: at('gzip:spec'), manifests: ['docker-archive:saved.tar'] };
    await writeFile(join(cli.folder, 'spec.json'), JSON.stringify(spec));
    expect(await cli.run(['apply', '-f', 'spec.json', '--compression', 'gzip'])).toMatchObject({ code: 0 });
    expect(await cli.must('inspect', `docker://${at('gzip:spec')}`, '--raw')).toContain(copied);
  });

  test('a draft of uncompressed layers is pushed compressed, and stays so', async () => {
    const cli = await builds();
    await dockerArchive(cli);
    const list = at('later:v1');
    await cli.must('create', list, 'docker-archive:saved.tar', 'oci:out/amd64');
    const before = await cli.must('digest', list);
    const dry = await cli.must('push', list, '--compression', 'gzip', '--dry-run');
    expect(await cli.must('digest', list)).toBe(before);
    const pushedDigest = await cli.must('push', list, '--compression', 'gzip');
    expect(pushedDigest).not.toBe(before);
    expect(dry).toContain(pushedDigest);
    expect(await cli.must('digest', list)).toBe(pushedDigest);
    expect(await cli.must('push', list)).toBe(pushedDigest);
    expect(await cli.must('push', list, '--compression', 'none')).toBe(before);
  });

  test('without it, a push of uncompressed layers says so, once', async () => {
    const cli = await builds();
    await dockerArchive(cli);
    const hint = /uncompressed layers, which are pushed as they are; to compress them, use "--compression gzip"/g;
    const { stderr } = await cli.run(['copy', 'docker-archive:saved.tar', at('hint:v1')]);
    expect(stderr.match(hint)).toHaveLength(1);
    for (const line of [
      ['copy', 'docker-archive:saved.tar', at('hint:none'), '--compression', 'none'],
      ['copy', 'docker-archive:saved.tar', 'oci-archive:copy.tar'],
    ]) {
      expect((await cli.run(line)).stderr).not.toMatch(hint);
    }
  });

  test('zstd needs a version of Node that has it', async () => {
    const cli = await builds();
    await dockerArchive(cli);
    const isSupported = 'createZstdCompress' in zlib;
    const { code, stderr } = await cli.run([
      'copy',
      'docker-archive:saved.tar',
      at('zstd:v1'),
      '--compression',
      'zstd',
    ]);
    expect(code).toBe(isSupported ? 0 : 2);
    if (!isSupported) expect(stderr).toContain('--compression zstd needs Node 22.15 or newer');
  });
});

function damaged(bytes: Buffer): Buffer {
  bytes.fill(0xff, 20, 60);
  return bytes;
}
