import type { ReportPending } from '../async/pending.ts';
import { MlistError } from '../errors/errors.ts';
import { formatDuration, parseDuration, waitTime } from './args/duration.ts';
import type { ParsedArguments } from './args/command-declaration.ts';

const DEFAULT_MS = 10 * 60 * 1000;

/** No more of what was waited for is named. */
const MOST_SHOWN = 3;

/** What a command waits for other than registries: stdin, files that may be pipes, credential helpers. */
export class PendingWork {
  readonly #open = new Set<{ readonly what: string }>();

  readonly during: ReportPending = async (what, work) => {
    const one = { what };
    this.#open.add(one);
    return work.finally(() => this.#open.delete(one));
  };

  /** The oldest first. */
  get all(): readonly string[] {
    return [...this.#open].map(({ what }) => what);
  }
}

/**
 * A command that talks to registries ends in time, whatever they do.
 * @param unanswered - what is being waited for, as in `read docker.io/library/ubuntu:22.04`
 * @returns aborted by the interrupt, or with `ERR_MLIST_TIMEOUT`
 */
export function withDeadline(
  invocation: ParsedArguments,
  interrupt: AbortSignal,
  unanswered: () => readonly string[],
): AbortSignal {
  if (!invocation.command.uses.includes('registry')) return interrupt;
  const text = invocation.text('deadline');
  const controller = new AbortController();
  const waitMs = waitTime(invocation, 'wait') + waitTime(invocation, 'wait-for-source');
  const milliseconds = text === undefined ? DEFAULT_MS + waitMs : parseDuration(text, '--deadline');
  const timer = setTimeout(() => controller.abort(outOfTime(milliseconds, unanswered())), milliseconds);
  timer.unref();
  return AbortSignal.any([interrupt, controller.signal]);
}

function outOfTime(milliseconds: number, unanswered: readonly string[]): MlistError {
  const shown = unanswered.slice(0, MOST_SHOWN).join(', ');
  const more = unanswered.length > MOST_SHOWN ? ` and ${unanswered.length - MOST_SHOWN} more` : '';
  const waited = unanswered.length === 0 ? '' : `: still waiting to ${shown}${more}`;
  return new MlistError('ERR_MLIST_TIMEOUT', `not done within ${formatDuration(milliseconds)}${waited}`, {
    hint: 'Give it more time with --deadline.',
  });
}
