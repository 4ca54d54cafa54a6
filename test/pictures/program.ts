import { Readable } from 'node:stream';
import { main } from '../../src/cli/dispatch.ts';
import { parseHandler } from '../../src/host/binfmt.ts';
import type { HostFacts } from '../../src/host/host-facts.ts';

/**
 * The program in the pictures: mlist, with a fixed machine, and plain http for the registries of the pictures. Everything else
 * is that of this process, which runs on a pseudo-terminal.
 */
const handler = parseHandler(
  'qemu-aarch64',
  [
    'enabled',
    'interpreter /usr/bin/qemu-aarch64-static',
    'flags: F',
    'offset 0',
    'magic 7f454c460201010000000000000000000200b700',
    'mask ffffffffffffff00fffffffffffffffffeffffff',
    '',
  ].join('\n'),
);
const host: HostFacts = {
  os: 'linux',
  architecture: 'amd64',
  level: 'v3',
  runs32Bit: true,
  inContainer: false,
  binfmt: { state: 'enabled', handlers: handler === undefined ? [] : [handler] },
};

/** One request at a time, so that the lines have the same order in every run. */
const options = ['--plain-http', 'registry.example', '--plain-http', 'ci.example', '--concurrency', '1'];

process.exitCode = await main([...process.argv.slice(2), ...options], {
  stdout: process.stdout,
  stderr: process.stderr,
  stdinIsTTY: () => false,
  stdin: () => Promise.resolve(Buffer.alloc(0)),
  stdinChunks: () => Readable.from([]),
  send: () => Promise.resolve(),
  ask: () => Promise.resolve(''),
  env: process.env,
  cwd: process.cwd(),
  home: process.env['HOME'] ?? '',
  platform: 'linux',
  uid: process.getuid?.(),
  systemFolder: process.env['HOME'],
  host,
  signal: new AbortController().signal,
});
