import type { Readable, Writable } from 'node:stream';

export interface Terminal {
  readonly input: Readable;
  readonly output: Writable;
  /** Called for Ctrl-C, which a terminal in raw mode sends as a key instead of a signal. */
  readonly onInterrupt: () => void;
  readonly signal: AbortSignal;
}

export interface PromptOptions {
  /** Whether to turn off the echo of the input. */
  readonly hidden: boolean;
}

/**
 * Prints a question and reads a line. The answer is empty if the input ends, for example with Ctrl-D. Rejects if
 * `signal` is aborted.
 */
export async function prompt(
  question: string,
  { hidden }: PromptOptions,
  { input, output, onInterrupt, signal }: Terminal,
): Promise<string> {
  const [{ createInterface }, { Writable: Stream }] = await Promise.all([
    import('node:readline'),
    import('node:stream'),
  ]);
  const discard = new Stream({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input, output: hidden ? discard : output, terminal: true });
  // createInterface turns off the echo of the terminal. The question is printed afterwards, so that nothing that the
  // user types in response is echoed.
  if (hidden) output.write(question);
  const close = (): void => lines.close();
  signal.addEventListener('abort', close);
  lines.on('SIGINT', onInterrupt);
  const answer = await new Promise<string | undefined>((resolve) => {
    lines.on('close', () => resolve(undefined));
    lines.question(hidden ? '' : question, resolve);
  });
  signal.removeEventListener('abort', close);
  close();
  if (hidden || answer === undefined) output.write('\n');
  signal.throwIfAborted();
  return answer ?? '';
}
