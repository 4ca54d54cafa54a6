import { homedir } from 'node:os';
import { asMlistError, MlistError } from '../errors/errors.ts';
import { collectAtMost } from '../fs/read-file.ts';
import { main, reportError, type Environment } from './dispatch.ts';
import { ResultStream } from './output/result-stream.ts';

/** The program: the process becomes a world, and main's answer its exit code. */
const interrupted = new AbortController();

/** What does not end by then, such as a system call on a disk that hangs, is left: nothing rests on a clean end. */
const GRACE_MS = 10_000;

type Signal = 'SIGINT' | 'SIGTERM';

let isSecond = false;

function onSignal(signal: Signal): void {
  if (isSecond) leave(signal, interruptionBy(signal).exitCode);
  isSecond = true;
  interrupt(signal);
}

function interruptionBy(signal: Signal): MlistError {
  const code = signal === 'SIGINT' ? 'ERR_MLIST_INTERRUPTED' : 'ERR_MLIST_TERMINATED';
  return new MlistError(code, 'interrupted: nothing was left half done');
}

function interrupt(signal: Signal): void {
  const error = interruptionBy(signal);
  interrupted.abort(error);
  setTimeout(() => leave(signal, error.exitCode), GRACE_MS).unref();
}

/**
 * Ends at once, as the signal does by itself; shells tell that by the same code. To exit would wait for the threads of
 * file operations, and so for ever where one of them reads a pipe that nobody writes to.
 */
function leave(signal: Signal, exitCode: number): void {
  if (process.platform === 'win32') process.exit(exitCode);
  process.removeListener(signal, onSignal);
  process.kill(process.pid, signal);
}

process.on('SIGINT', onSignal);
process.on('SIGTERM', onSignal);

const dockerSocket = process.env['DOCKER_CLI_PLUGIN_SOCKET'];
if (dockerSocket !== undefined && dockerSocket !== '') {
  void import('./docker-plugin/docker-socket.ts').then(({ onDockerExit }) =>
    onDockerExit(dockerSocket, () => interrupt('SIGTERM')),
  );
}

const stdout = new ResultStream(process.stdout, (error) => {
  if (error !== undefined) void reportError(process.argv.slice(2), world, error);
  if (isOver) end(Number(process.exitCode));
});

/** Where nobody can be told, the work goes on: its exit code tells how it ended. */
process.stderr.on('error', () => undefined);

const world: Environment = {
  stdout,
  stderr: process.stderr,
  stdinIsTTY: () => process.stdin.isTTY,
  stdin: (limits) => collectAtMost(process.stdin, limits),
  ask: async (question, { hidden = false } = {}) => {
    const { prompt } = await import('./prompt.ts');
    const { stdin: input, stderr: output } = process;
    return prompt(
      question,
      { hidden },
      { input, output, onInterrupt: () => onSignal('SIGINT'), signal: interrupted.signal },
    );
  },
  env: process.env,
  get cwd() {
    return folder(() => process.cwd(), 'the current folder does not exist', 'Change to another folder.');
  },
  get home() {
    return folder(homedir, 'this user has no home folder', 'Set HOME.');
  },
  platform: process.platform,
  uid: process.getuid?.(),
  signal: interrupted.signal,
};

function folder(find: () => string, fault: string, hint: string): string {
  try {
    return find();
  } catch (cause) {
    throw new MlistError('ERR_MLIST_FILE', fault, { hint, cause });
  }
}

let isOver = false;

/** Nothing is under way any more, and the work is not done: whoever waits for it must not take that for success. */
process.once('beforeExit', () => {
  if (!isOver)
    void reportError(process.argv.slice(2), world, asMlistError(new Error('nothing is left to wait for'))).then(end);
});

function end(code: number): void {
  isOver = true;
  process.exitCode = stdout.exitCode(code);
}

void main(process.argv.slice(2), world)
  .catch((thrown: unknown) => reportError(process.argv.slice(2), world, asMlistError(thrown)))
  .then(end);
