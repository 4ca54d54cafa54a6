#!/usr/bin/env node
import { homedir } from 'node:os';
import { MlistError } from '../index.ts';
import { main, type World } from './main.ts';

/** The program: the process becomes a world, and main's answer its exit code. */
const interrupted = new AbortController();

function onSignal(signal: 'SIGINT' | 'SIGTERM'): void {
  const code = signal === 'SIGINT' ? 'ERR_MLIST_INTERRUPTED' : 'ERR_MLIST_TERMINATED';
  const error = new MlistError(code, 'interrupted: nothing was left half done');
  if (interrupted.signal.aborted) process.exit(error.exitCode);
  interrupted.abort(error);
}

process.on('SIGINT', onSignal);
process.on('SIGTERM', onSignal);

/** A reader that closes its end early, as head does, has what it wants. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const world: World = {
  stdout: process.stdout,
  stderr: process.stderr,
  stdinIsTTY: process.stdin.isTTY,
  stdin: async () => Buffer.concat(await process.stdin.toArray()),
  ask: async (question) => {
    const { createInterface } = await import('node:readline/promises');
    const terminal = createInterface({ input: process.stdin, output: process.stderr });
    try {
      return await terminal.question(question, { signal: interrupted.signal });
    } finally {
      terminal.close();
    }
  },
  env: process.env,
  cwd: process.cwd(),
  home: homedir(),
  platform: process.platform,
  uid: process.getuid?.(),
  signal: interrupted.signal,
};

void main(process.argv.slice(2), world).then((code) => {
  process.exitCode = code;
});
