import type { BlobCache } from '../store/cache.ts';
import type { ReportPending } from '../async/pending.ts';
import type { HostFacts } from '../host/host-facts.ts';
import type { Workspace } from '../draft/workspace/workspace.ts';
import type { OperationEvent } from '../operations/events.ts';
import type { Stores } from '../store/open.ts';
import type { Output, Sink } from './output/output.ts';
import type { TransferTotals } from './output/transfer-totals.ts';

/**
 * Prompts the user. The answer is empty if the input ends, for example with Ctrl-D. Rejects if the user interrupts the
 * prompt.
 */
export type Ask = (question: string, options?: { readonly hidden?: boolean }) => Promise<string>;

/**
 * What a command uses besides its arguments: output, environment, workspace, stores and prompts. Tests pass their own
 * environment and streams.
 */
export interface Context {
  readonly output: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly home: string;
  readonly platform: NodeJS.Platform;
  /** Facts about this machine. Default: read when a command needs them. */
  readonly host?: HostFacts | undefined;
  readonly uid?: number | undefined;
  /** The folder with the system-wide registry configuration. Default `/etc`. */
  readonly systemFolder?: string | undefined;
  /** Aborted by the first interrupt or, in commands that use registries, at the deadline. */
  readonly signal: AbortSignal;
  /** Extends the time that the command may take to end after an interrupt, by a number of milliseconds. */
  readonly extendGrace: (milliseconds: number) => void;
  /** Registers pending work. If the deadline expires, the error lists the work that is still pending. */
  readonly waiting: ReportPending;
  readonly workspace: Workspace;
  readonly cache: BlobCache;
  /** Returns the stores. The first call creates them. */
  readonly stores: () => Promise<Stores>;
  readonly onEvent: (event: OperationEvent) => void;
  /** What the command has transferred so far. */
  readonly totals: TransferTotals;
  /** Whether prompts are possible: stdin and stderr are terminals, and neither `CI` nor `--no-input` is set. */
  readonly canAsk: boolean;
  /** Prompts the user. With `hidden`, the input is not echoed. */
  readonly ask: Ask;
  /**
   * Reads stdin to its end, but at most one byte more than `MAX_INPUT_BYTES`, so that the caller can detect input that
   * is too large. Rejects if `signal` is aborted.
   */
  readonly stdin: () => Promise<Uint8Array>;
}

/** The facts about the process and the machine that a command line depends on, and the streams of the process. */
export interface Environment {
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** A function, because the getter `process.stdin` creates a stream, which is slow. */
  readonly stdinIsTTY: () => boolean;
  readonly stdin: (limits: StdinLimits) => Promise<Uint8Array>;
  /** Reads stdin in chunks, without a size limit. */
  readonly stdinChunks: (signal: AbortSignal) => AsyncIterable<Uint8Array>;
  /**
   * Writes a chunk of an archive to stdout. Resolves when the caller may reuse the buffer.
   * @throws LostOutput if the chunk cannot be written
   */
  readonly send: (chunk: Uint8Array) => Promise<void>;
  readonly ask: Ask;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly home: string;
  readonly platform: NodeJS.Platform;
  /** Facts about this machine. Default: read when a command needs them. */
  readonly host?: HostFacts | undefined;
  readonly uid?: number | undefined;
  /** The folder with the system-wide registry configuration. Default `/etc`. */
  readonly systemFolder?: string | undefined;
  readonly signal: AbortSignal;
  /** Extends the time that a command may take to end after an interrupt, by a number of milliseconds. */
  readonly extendGrace?: ((milliseconds: number) => void) | undefined;
}

export interface StdinLimits {
  /** Reading stops one byte after this limit, so that the caller can detect input that is too large. */
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}
