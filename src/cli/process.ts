import { homedir } from 'node:os';
import { asMlistError, MlistError } from '../errors/errors.ts';
import { collectAtMost, streamUntilAborted } from '../fs/read-file.ts';
import type { Environment } from './context.ts';
import { main, reportError } from './dispatch.ts';
import { ResultStream } from './output/result-stream.ts';

const interrupted = new AbortController();

/**
 * The maximum time that an interrupted command may take to end, in milliseconds. Then the process is terminated,
 * because a system call on a disk may never return. Files stay consistent, because they are written atomically.
 */
const GRACE_MS = 10_000;

/** The time by which the command has extended `GRACE_MS`, in milliseconds. */
let extraGraceMs = 0;

type Signal = 'SIGINT' | 'SIGTERM';

let isSecond = false;

function onSignal(signal: Signal): void {
  if (isSecond) terminate(signal, interruptionBy(signal).exitCode);
  isSecond = true;
  interrupt(signal);
}

function interruptionBy(signal: Signal): MlistError {
  const code = signal === 'SIGINT' ? 'ERR_MLIST_INTERRUPTED' : 'ERR_MLIST_TERMINATED';
  return new MlistError(code, 'interrupted: every file and tag is complete or unchanged');
}

function interrupt(signal: Signal): void {
  const error = interruptionBy(signal);
  interrupted.abort(error);
  setTimeout(() => terminate(signal, error.exitCode), GRACE_MS + extraGraceMs).unref();
}

/**
 * Ends the process with the default action of the signal; shells then report the exit code 130 or 143. `process.exit`
 * is used only on Windows, because it waits for the threads of file operations. It would never return if one of them
 * reads from a pipe that has no writer.
 */
function terminate(signal: Signal, exitCode: number): void {
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
  if (error !== undefined) void reportError(process.argv.slice(2), environment, error);
  if (isOver) end(Number(process.exitCode));
});

// Without a listener, an error of stderr, such as a closed pipe, would end the process before the command is complete.
process.stderr.on('error', () => undefined);

const environment: Environment = {
  stdout,
  stderr: process.stderr,
  stdinIsTTY: () => process.stdin.isTTY,
  stdin: (limits) => collectAtMost(process.stdin, limits),
  stdinChunks: (signal) => streamUntilAborted(process.stdin, signal),
  send: (chunk) => stdout.send(chunk),
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
    return folder(homedir, 'the user has no home folder', 'Set HOME.');
  },
  platform: process.platform,
  uid: process.getuid?.(),
  signal: interrupted.signal,
  extendGrace: (milliseconds) => (extraGraceMs = milliseconds),
};

function folder(find: () => string, message: string, hint: string): string {
  try {
    return find();
  } catch (cause) {
    throw new MlistError('ERR_MLIST_FILE', message, { hint, cause });
  }
}

let isOver = false;

// If the event loop is empty but the command has not ended, it can never end. Without this handler, the process would
// then exit with 0.
process.once('beforeExit', () => {
  if (!isOver)
    void reportError(
      process.argv.slice(2),
      environment,
      asMlistError(new Error('the command ended without a result')),
    ).then(end);
});

function end(code: number): void {
  isOver = true;
  process.exitCode = stdout.exitCode(code);
}

void main(process.argv.slice(2), environment)
  .catch((thrown: unknown) => reportError(process.argv.slice(2), environment, asMlistError(thrown)))
  .then(end);
