import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Output } from '../../src/cli/output/output.ts';
import { LiveProgress } from '../../src/cli/output/progress.ts';
import type { Digest } from '../../src/oci/digest.ts';
import type { OperationEvent } from '../../src/operations/events.ts';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { CliHarness } from '../support/cli-harness.ts';

/** The text on a terminal: it interprets newlines, and the two sequences that erase the progress lines. */
function screen(written: string): readonly string[] {
  const lines = [''];
  for (const part of written.split(/(\n|\u001b\[\d+A\u001b\[0J)/)) {
    const up = /^\u001b\[(\d+)A/.exec(part)?.[1];
    if (up !== undefined) lines.splice(lines.length - 1 - Number(up), Infinity, '');
    else if (part === '\n') lines.push('');
    else lines.push((lines.pop() ?? '') + part);
  }
  return lines;
}

const digest = (character: string) => `sha256:${character.repeat(64)}` as Digest;
const target = 'x.io/app';
const MiB = 1024 ** 2;

async function shown(columns: number) {
  let written = '';
  const sink = { isTTY: true, columns, write: (text: string | Uint8Array) => (written += String(text)) };
  const options = { json: false, quiet: false, debug: false, progress: 'auto', env: { NO_COLOR: '1' } } as const;
  const output = await Output.open({ stdout: sink, stderr: sink }, options);
  let clock = 0;
  const progress = new LiveProgress(output, () => clock);
  const see = (event: OperationEvent, milliseconds = 1000) => {
    clock += milliseconds;
    progress.update(event);
  };
  return { output, see, screen: () => screen(written) };
}

const moved = (character: string, size: number, bytes: number): OperationEvent => ({
  type: 'progress',
  digest: digest(character),
  size,
  moved: bytes,
  target,
});
const done = (character: string, size: number): OperationEvent => ({
  type: 'blob',
  how: 'uploaded',
  digest: digest(character),
  size,
  target,
});

describe('live progress', () => {
  test('shows each blob and the total below other output, and erases them at the end', async () => {
    const { output, see, screen: now } = await shown(100);
    see({ type: 'started', target, blobs: 3, bytes: 31 * MiB });
    expect(now()).toEqual(['0 of 3 blobs, 0 B of 31.0 MiB', '']);
    see(moved('a', 20 * MiB, 5 * MiB));
    see(moved('b', 10 * MiB, 10 * MiB));
    expect(now()).toEqual([
      'sha256:aaaaaaaaaaaa [####............] 5.0 MiB of 20.0 MiB',
      'sha256:bbbbbbbbbbbb [################] 10.0 MiB of 10.0 MiB',
      '0 of 3 blobs, 15.0 MiB of 31.0 MiB, 7.5 MiB/s, 3 s left',
      '',
    ]);
    output.note('a note');
    see(done('b', 10 * MiB));
    expect(now()).toEqual([
      'a note',
      'sha256:aaaaaaaaaaaa [####............] 5.0 MiB of 20.0 MiB',
      '1 of 3 blobs, 15.0 MiB of 31.0 MiB, 5.0 MiB/s, 4 s left',
      '',
    ]);
    see(done('a', 20 * MiB));
    see(done('c', MiB));
    output.line('the result');
    expect(now()).toEqual(['a note', 'the result', '']);
  });

  test('names the image of each blob, and states the rate of the last seconds and the time left', async () => {
    const { see, screen: now } = await shown(80);
    see({ type: 'started', target, blobs: 3, bytes: 4096 * MiB });
    see({ ...moved('a', 2048 * MiB, 100 * MiB), image: 'linux/arm64/v8' } as OperationEvent, 500);
    expect(now().at(-2)).toBe('0 of 3 blobs, 100.0 MiB of 4.0 GiB');
    see({ ...moved('b', 1024 * MiB, 20 * MiB), image: 'attestation' } as OperationEvent, 500);
    const lines = [
      'linux/arm64/v8 sha256:aaaaaaaaaaaa [................] 100.0 MiB of 2.0 GiB',
      'attestation    sha256:bbbbbbbbbbbb [................] 20.0 MiB of 1.0 GiB',
      '0 of 3 blobs, 120.0 MiB of 4.0 GiB, 120.0 MiB/s, 34 s left',
      '',
    ];
    expect(now()).toEqual(lines);
    see(moved('c', 1024 * MiB, 10 * MiB), 60_000);
    expect(now().at(-2)).toBe('0 of 3 blobs, 130.0 MiB of 4.0 GiB, 1.0 MiB/s, 1 h 7 min left');
  });

  test('a mounted blob and a blob that starts again do not count as transferred', async () => {
    const { see, screen: now } = await shown(80);
    see({ type: 'started', target, blobs: 3, bytes: 300 * MiB });
    see(moved('a', 100 * MiB, 40 * MiB), 2000);
    see(moved('a', 100 * MiB, 0), 1000);
    see({ type: 'blob', how: 'mounted', digest: digest('b'), size: 100 * MiB, target }, 1000);
    expect(now().at(-2)).toBe('1 of 3 blobs, 100.0 MiB of 300.0 MiB, 10.0 MiB/s, 20 s left');
  });

  test('an error erases the progress lines', async () => {
    const { output, see, screen: now } = await shown(100);
    see({ type: 'started', target, blobs: 1, bytes: 10 });
    output.error(new Error('broken'));
    expect(now()[0]).toContain('broken');
  });

  test('is limited in frequency, width and height', async () => {
    const { see, screen: now } = await shown(30);
    see({ type: 'started', target, blobs: 20, bytes: 20 });
    see(moved('a', 1, 1), 1);
    expect(now()).toEqual(['0 of 20 blobs, 0 B of 20 B', '']);
    for (const character of '0123456789abcdef') see(moved(character, 1, 1));
    expect(now()).toHaveLength(9);
    expect(now().at(-3)).toBe('... and 10 more');
    for (const line of now()) expect(line.length).toBeLessThan(30);
  });
});

describe('of a push to another registry', () => {
  let from: RunningRegistry;
  let to: RunningRegistry;
  beforeAll(async () => {
    [from, to] = [await startRegistry(), await startRegistry()];
    await pushImage(from.url, 'team/app', 'x', makeImage({ salt: 'moving', layers: 3 }));
  });
  afterAll(async () => {
    await from.close();
    await to.close();
  });

  test.each<[string, boolean, boolean, readonly string[], Readonly<Record<string, string>>]>([
    ['on a terminal', true, true, [], {}],
    ['with --progress tty', true, false, ['--progress', 'tty'], {}],
    ['not into a file', false, false, [], {}],
    ['not as plain text', false, true, ['--progress', 'plain'], {}],
    ['not as JSON', false, true, ['--progress', 'json'], {}],
    ['not beside a JSON document', false, true, ['--json'], {}],
    ['not with --quiet', false, true, ['--quiet'], {}],
    ['not on a dumb terminal', false, true, [], { TERM: 'dumb' }],
    ['not in CI', false, true, [], { CI: 'true' }],
  ])('%s', async (name, isLive, terminal, flags, env) => {
    const cli = await CliHarness.make({ terminal, env });
    await cli.must('create', `${to.host}/far/${name.replaceAll(' ', '-').toLowerCase()}:1`, `${from.host}/team/app:x`);
    const { code, stdout, stderr } = await cli.run(['push', ...flags]);
    expect([code, stderr.includes('\u001b[0J')]).toEqual([0, isLive]);
    expect(screen(stderr).join('\n')).not.toContain('of 4 blobs');
    if (isLive) expect(stderr).toContain('0 of 4 blobs, 0 B of ');
    const summary = ['--quiet', '--json'].includes(flags[0] ?? '') || flags[1] === 'json' ? '' : 'sent 0 B in 4 blobs';
    expect(stderr.replace(/sent \d+ B/, 'sent 0 B')).toContain(summary);
    if (flags.length === 0) expect(stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
  });
});
