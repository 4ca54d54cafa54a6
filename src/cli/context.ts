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
 * The environment of a command. All access to the outside of the process goes through it, so that tests can replace it.
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
  /** The folder with the registry configuration of the system. Default `/etc`. */
  readonly systemFolder?: string | undefined;
  /** Aborted by the first interrupt, and at the deadline. */
  readonly signal: AbortSignal;
  /** Allows the command to take this much longer to end after an interrupt, in milliseconds. */
  readonly extendGrace: (milliseconds: number) => void;
  /** Registers pending work, which the timeout error lists at the deadline. */
  readonly waiting: ReportPending;
  readonly workspace: Workspace;
  readonly cache: BlobCache;
  /** The content stores. The first call opens them. */
  readonly stores: () => Promise<Stores>;
  readonly onEvent: (event: OperationEvent) => void;
  /** What the command has transferred so far. */
  readonly totals: TransferTotals;
  /** Whether prompts are possible. */
  readonly canAsk: boolean;
  /** Prompts the user. With `hidden`, the input is not echoed. */
  readonly ask: Ask;
  /**
   * Reads stdin to its end, or to one byte more than the size limit, so that the caller detects input that is too
   * large. The signal aborts reading.
   */
  readonly stdin: () => Promise<Uint8Array>;
}

/** Everything outside the process that a command line depends on. */
export interface Environment {
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** A function, because the getter `process.stdin` creates a stream, which is slow. */
  readonly stdinIsTTY: () => boolean;
  readonly stdin: (limits: StdinLimits) => Promise<Uint8Array>;
  /** The chunks of stdin, without a limit. */
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
  /** The folder with the registry configuration of the system. Default `/etc`. */
  readonly systemFolder?: string | undefined;
  readonly signal: AbortSignal;
  /** Called by a command that may take this much longer to end after an interrupt. */
  readonly extendGrace?: ((milliseconds: number) => void) | undefined;
}

export interface StdinLimits {
  /** Reading stops one byte after this limit, so that the caller detects input that is too large. */
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}
