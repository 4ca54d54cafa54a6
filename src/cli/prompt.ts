import type { Readable, Writable } from 'node:stream';

/** Where somebody is asked. */
export interface Terminal {
  readonly input: Readable;
  readonly output: Writable;
  /** Ctrl-C: a prompt takes it as a key, so that no signal comes of it. */
  readonly onInterrupt: () => void;
  /** Ends the wait for an answer. */
  readonly signal: AbortSignal;
}

export interface PromptOptions {
  /** What is typed is not shown. */
  readonly hidden: boolean;
}

/** Asks a person. The answer is empty where the input ends without one, as by Ctrl-D. */
export async function prompt(
  question: string,
  { hidden }: PromptOptions,
  { input, output, onInterrupt, signal }: Terminal,
): Promise<string> {
  const [{ createInterface }, { Writable: Stream }] = await Promise.all([
    import('node:readline'),
    import('node:stream'),
  ]);
  const nowhere = new Stream({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input, output: hidden ? nowhere : output, terminal: true });
  // Only now: what is typed from here on is not echoed by the terminal itself.
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
