import type { ReportPending } from '../async/pending.ts';
import { MlistError } from '../errors/errors.ts';
import { formatDuration, parseDuration, waitTime } from './args/duration.ts';
import type { ParsedArguments } from './args/command-declaration.ts';

const DEFAULT_MS = 10 * 60 * 1000;

/** The maximum number of pending operations that the error lists. */
const MAX_SHOWN = 3;

/** Tracks pending operations that are not registry requests, such as reading stdin or running a credential helper. */
export class PendingWork {
  readonly #pending = new Set<{ readonly description: string }>();

  readonly track: ReportPending = async (description, work) => {
    const operation = { description };
    this.#pending.add(operation);
    return work.finally(() => this.#pending.delete(operation));
  };

  /** Returns the descriptions of all pending operations, the oldest first. */
  get all(): readonly string[] {
    return [...this.#pending].map(({ description }) => description);
  }
}

/**
 * Combines the interrupt signal with the deadline, which only commands that use registries have. `--wait` and
 * `--wait-for-source` extend the default deadline.
 * @param unanswered - returns the pending operations, such as `read docker.io/library/ubuntu:22.04`
 * @returns a signal that is aborted by the interrupt, or at the deadline with `ERR_MLIST_TIMEOUT`
 */
export function withDeadline(
  args: ParsedArguments,
  interrupt: AbortSignal,
  unanswered: () => readonly string[],
): AbortSignal {
  if (!args.command.uses.includes('registry')) return interrupt;
  const text = args.text('deadline');
  const controller = new AbortController();
  const waitMs = waitTime(args, 'wait') + waitTime(args, 'wait-for-source');
  const milliseconds = text === undefined ? DEFAULT_MS + waitMs : parseDuration(text, '--deadline');
  const timer = setTimeout(() => controller.abort(outOfTime(milliseconds, unanswered())), milliseconds);
  timer.unref();
  return AbortSignal.any([interrupt, controller.signal]);
}

function outOfTime(milliseconds: number, unanswered: readonly string[]): MlistError {
  const shown = unanswered.slice(0, MAX_SHOWN).join(', ');
  const more = unanswered.length > MAX_SHOWN ? ` and ${unanswered.length - MAX_SHOWN} more` : '';
  const waited = unanswered.length === 0 ? '' : `: still waiting to ${shown}${more}`;
  return new MlistError(
    'ERR_MLIST_TIMEOUT',
    `the command did not finish within ${formatDuration(milliseconds)}${waited}`,
    {
      hint: 'Use --deadline to allow more time.',
    },
  );
}
