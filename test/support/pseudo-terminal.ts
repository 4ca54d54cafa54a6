import { spawn, type ChildProcess } from 'node:child_process';

export interface TerminalOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** Default: the size is unknown to the program. */
  readonly columns?: number | undefined;
}

/** Python creates the pseudo-terminal, because Node cannot. Its arguments are the command line. */
const onTerminal = 'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))';

/** Starts a program on a pseudo-terminal. stdin is what is typed, and stdout is what the terminal receives. */
export function spawnOnTerminal(command: readonly string[], { cwd, env, columns }: TerminalOptions): ChildProcess {
  const sized = ['sh', '-c', `stty cols ${columns} rows 50 && exec "$@"`, 'sh', ...command];
  const stdio = ['pipe', 'pipe', 'ignore'] as const;
  return spawn('python3', ['-c', onTerminal, ...(columns === undefined ? command : sized)], {
    cwd,
    env,
    stdio: [...stdio],
  });
}
