import { homedir } from 'node:os';
import { MlistError } from '../index.ts';
import { main, type World } from './main.ts';

/** The program: the process becomes a world, and main's answer its exit code. */
const interrupted = new AbortController();

/** What does not end by then, such as a system call on a disk that hangs, is left: nothing rests on a clean end. */
const GRACE_MS = 10_000;

function onSignal(signal: 'SIGINT' | 'SIGTERM'): void {
  const code = signal === 'SIGINT' ? 'ERR_MLIST_INTERRUPTED' : 'ERR_MLIST_TERMINATED';
  const error = new MlistError(code, 'interrupted: nothing was left half done');
  if (interrupted.signal.aborted) process.exit(error.exitCode);
  interrupted.abort(error);
  setTimeout(() => process.exit(error.exitCode), GRACE_MS).unref();
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
  ask: async (question, { hidden = false } = {}) => {
    const [{ createInterface }, { Writable }] = await Promise.all([
      import('node:readline/promises'),
      import('node:stream'),
    ]);
    const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
    if (hidden) process.stderr.write(question);
    const output = hidden ? nowhere : process.stderr;
    const terminal = createInterface({ input: process.stdin, output, terminal: true });
    try {
      return await terminal.question(hidden ? '' : question, { signal: interrupted.signal });
    } finally {
      terminal.close();
      if (hidden) process.stderr.write('\n');
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
