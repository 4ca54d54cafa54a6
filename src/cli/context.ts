import type { BlobCache } from '../store/cache.ts';
import type { ReportPending } from '../async/pending.ts';
import type { Workspace } from '../draft/workspace/workspace.ts';
import type { OperationEvent } from '../operations/events.ts';
import type { Stores } from '../store/open.ts';
import type { Output } from './output/output.ts';

/** The answer is empty where nothing is given, as by Ctrl-D; an interrupt is thrown. */
export type Ask = (question: string, options?: { readonly hidden?: boolean }) => Promise<string>;

/** What a command works with. Everything outside the process comes in here, so that a test can bring its own. */
export interface Context {
  readonly output: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly home: string;
  readonly platform: NodeJS.Platform;
  readonly uid?: number | undefined;
  /** Aborts at the first interrupt, and at the deadline. */
  readonly signal: AbortSignal;
  /** Names work that may have to wait, for the error at the deadline. */
  readonly waiting: ReportPending;
  readonly workspace: Workspace;
  readonly cache: BlobCache;
  /** Registries and other stores; opened when first asked for. */
  readonly stores: () => Promise<Stores>;
  /** Tells an event to people or programs. */
  readonly onEvent: (event: OperationEvent) => void;
  /** Whether somebody is there to be asked. */
  readonly canAsk: boolean;
  /** What is typed is not shown where it is hidden. */
  readonly ask: Ask;
  /** All of stdin, but no more than one byte over what a command reads; ended by the signal. */
  readonly stdin: () => Promise<Uint8Array>;
}
