import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from '@jest/globals';
import { main } from '../../src/cli/dispatch.ts';
import { cleanup } from './cleanup.ts';
import { inOrder } from './manifest-order.ts';
import { executable } from './mlist.ts';

/**
 * Runs command lines in this process, with isolated files, environment and output. With `MLIST_TEST_EXECUTABLE`, runs that
 * executable, unless the test simulates a terminal or files in /etc, or interrupts the command.
 */
export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface PipeResult {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface CliHarnessOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly stdin?: string | Uint8Array;
  /** Whether input and output are terminals. Default: false. */
  readonly terminal?: boolean;
  /** Width of the terminal. Default 100. */
  readonly columns?: number;
  readonly answers?: readonly string[];
  readonly signal?: AbortSignal;
  /** Called whenever the command writes to stdout. */
  readonly onStdout?: () => void;
}

/** Creates a folder that is removed after the tests of the file. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'mlist-test-'));
  folders.push(folder);
  return folder;
}

/** Sets `TMPDIR` to a new folder until the end of the test. */
export async function ownTmpdir(): Promise<string> {
  const folder = await temporaryFolder();
  const before = process.env['TMPDIR'];
  process.env['TMPDIR'] = folder;
  cleanup({
    close: () => {
      if (before === undefined) delete process.env['TMPDIR'];
      else process.env['TMPDIR'] = before;
    },
  });
  return folder;
}

const folders: string[] = [];
afterAll(async () => {
  await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })));
});

export class CliHarness {
  readonly folder: string;
  readonly options: CliHarnessOptions;

  private constructor(folder: string, options: CliHarnessOptions) {
    this.folder = folder;
    this.options = options;
  }

  static async make(options: CliHarnessOptions = {}): Promise<CliHarness> {
    return new CliHarness(await temporaryFolder(), options);
  }

  get workspace(): string {
    return join(this.folder, '.local', 'share', 'mlist');
  }

  async run(args: readonly string[], more: CliHarnessOptions = {}): Promise<CliResult> {
    const { code, stdout, stderr } = await this.pipe(args, more);
    return { code, stdout: stdout.toString('utf8'), stderr };
  }

  /** Runs a command, and returns the exact bytes of its stdout. */
  async pipe(args: readonly string[], more: CliHarnessOptions = {}): Promise<PipeResult> {
    const {
      env = {},
      cwd = this.folder,
      stdin = '',
      terminal = false,
      columns = 100,
      answers = [],
      signal,
      onStdout,
    } = { ...this.options, ...more };
    const program = executable;
    if (program !== undefined && !terminal && signal === undefined && !existsSync(join(this.folder, 'etc'))) {
      const variables = { NO_COLOR: '1', HOME: this.folder, ...env };
      return inOrder(() => runExecutable([program, ...args], variables, cwd, stdin, onStdout));
    }
    const [stdout, stderr] = [new Recorder(terminal, columns, onStdout), new Recorder(terminal, columns)];
    const remainingAnswers = [...answers];
    const code = await inOrder(() =>
      main(args, {
        stdout,
        stderr,
        stdinIsTTY: () => terminal,
        stdin: () => Promise.resolve(Buffer.from(stdin)),
        stdinChunks: () => chunksOf(Buffer.from(stdin)),
        send: (chunk) => Promise.resolve(stdout.write(chunk)),
        ask: (question) => {
          stderr.write(question);
          return Promise.resolve(remainingAnswers.shift() ?? '');
        },
        env: { NO_COLOR: '1', ...env },
        cwd,
        home: this.folder,
        platform: 'linux',
        uid: process.getuid?.(),
        systemFolder: join(this.folder, 'etc'),
        signal: signal ?? new AbortController().signal,
      }),
    );
    return { code, stdout: stdout.bytes, stderr: stderr.bytes.toString('utf8') };
  }

  /** Runs a command that must succeed, and returns its stdout without the final line break. */
  async must(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(args);
    if (code !== 0) throw new Error(`mlist ${args.join(' ')} ended with ${code}:\n${stderr}`);
    return stdout.replace(/\n$/, '');
  }

  /** The `--json` document of a command that must succeed. */
  async json<T>(...args: readonly string[]): Promise<T> {
    return JSON.parse(await this.must(...args, '--json')) as T;
  }
}

function runExecutable(
  [path = '', ...args]: readonly string[],
  env: Readonly<Record<string, string>>,
  cwd: string,
  stdin: string | Uint8Array,
  onStdout: (() => void) | undefined,
): Promise<PipeResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(path, args, { env, cwd, stdio: 'pipe' });
    const [stdout, stderr] = [new Recorder(false, 0, onStdout), new Recorder(false, 0)];
    child.stdout.on('data', (chunk: Buffer) => stdout.write(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.write(chunk));
    // The command may end without reading its input.
    child.stdin.on('error', () => undefined).end(stdin);
    child.once('error', reject);
    child.once('close', (code) =>
      resolve({ code: code ?? -1, stdout: stdout.bytes, stderr: stderr.bytes.toString('utf8') }),
    );
  });
}

/** Chunks of the size that a pipe usually has. */
async function* chunksOf(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield await Promise.resolve(bytes.subarray(at, at + 65_536));
}

class Recorder {
  readonly isTTY: boolean;
  readonly columns: number;
  readonly #chunks: Buffer[] = [];
  readonly #onWrite: (() => void) | undefined;

  constructor(isTTY: boolean, columns: number, onWrite?: () => void) {
    this.isTTY = isTTY;
    this.columns = columns;
    this.#onWrite = onWrite;
  }

  write(chunk: string | Uint8Array): void {
    this.#chunks.push(Buffer.from(chunk));
    this.#onWrite?.();
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}
