import type { BlobCache } from '../store/cache.ts';
import type { ReportPending } from '../async/pending.ts';
import type { Workspace } from '../draft/workspace/workspace.ts';
import type { OperationEvent } from '../operations/events.ts';
import type { Stores } from '../store/open.ts';
import type { Output } from './output/output.ts';

/** Prompts the user. The answer is empty if the input ends, for example with Ctrl-D. An interrupt is thrown. */
export type Ask = (question: string, options?: { readonly hidden?: boolean }) => Promise<string>;

/** The environment of a command. Tests replace it, so commands use it for all access to the outside of the process. */
export interface Context {
  readonly output: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly home: string;
  readonly platform: NodeJS.Platform;
  readonly uid?: number | undefined;
  /** The folder with the registry configuration of the system. Default `/etc`. */
  readonly systemFolder?: string | undefined;
  /** Aborted by the first interrupt, and at the deadline. */
  readonly signal: AbortSignal;
  /** Registers pending work, which the error at the deadline lists. */
  readonly waiting: ReportPending;
  readonly workspace: Workspace;
  readonly cache: BlobCache;
  /** The content stores. They are opened by the first call. */
  readonly stores: () => Promise<Stores>;
  readonly onEvent: (event: OperationEvent) => void;
  /** Whether prompts are possible. */
  readonly canAsk: boolean;
  /** Prompts the user. With `hidden`, the input is not echoed. */
  readonly ask: Ask;
  /** Reads stdin to its end, or to one byte more than the size limit. The signal aborts it. */
  readonly stdin: () => Promise<Uint8Array>;
}
