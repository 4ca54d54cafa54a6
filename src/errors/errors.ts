import { systemErrors } from './system-errors.ts';
import { ForeignError, foreignMessage } from './foreign-error.ts';

/** How much a problem weighs: an error refuses the document, a warning is only said. */
export type Severity = 'error' | 'warning';

/** One thing that is wrong with a document. */
export interface Problem {
  /** The rule that was broken, such as `E-DUP-PLATFORM`; the list is in docs/rules.md. */
  readonly rule: string;
  readonly severity: Severity;
  /** JSON pointer (RFC 6901) to the place; the empty string is the whole document. */
  readonly pointer: string;
  readonly message: string;
  /** In a file that somebody wrote: where it is, both counted from 1. */
  readonly line?: number;
  readonly column?: number;
}

/** No report holds more problems than this: a hostile document must not buy memory or a reader's patience. */
export const MAX_PROBLEMS = 100;

/**
 * Every error code and the exit code that the command line ends with.
 * 1 unexpected fault · 2 wrong command line · 3 document or list refused · 4 not found · 5 conflict ·
 * 6 not authorised · 7 registry or network · 8 differs · 130 and 143 interrupted.
 */
export const exitCodes = {
  ERR_MLIST_UNEXPECTED: 1,
  ERR_MLIST_FILE: 1,
  ERR_MLIST_USAGE: 2,
  ERR_MLIST_REFERENCE_INVALID: 2,
  ERR_MLIST_PLATFORM_INVALID: 2,
  ERR_MLIST_AMBIGUOUS: 2,
  ERR_MLIST_DIGEST_INVALID: 3,
  ERR_MLIST_DOCUMENT_INVALID: 3,
  ERR_MLIST_LIST_INVALID: 3,
  ERR_MLIST_DRAFT_DAMAGED: 3,
  ERR_MLIST_EXPECTATION: 3,
  ERR_MLIST_WORKSPACE: 3,
  ERR_MLIST_NOT_FOUND: 4,
  ERR_MLIST_DRAFT_NOT_FOUND: 4,
  ERR_MLIST_ENTRY_NOT_FOUND: 4,
  ERR_MLIST_PLATFORM_NOT_FOUND: 4,
  ERR_MLIST_NO_CURRENT_DRAFT: 4,
  ERR_MLIST_DRAFT_EXISTS: 5,
  ERR_MLIST_LOCKED: 5,
  ERR_MLIST_CONFLICT: 5,
  ERR_MLIST_UNAUTHORIZED: 6,
  ERR_MLIST_CREDENTIALS: 6,
  ERR_MLIST_REGISTRY: 7,
  ERR_MLIST_NETWORK: 7,
  ERR_MLIST_TIMEOUT: 7,
  ERR_MLIST_CONTENT_MISMATCH: 7,
  ERR_MLIST_FORBIDDEN_ADDRESS: 7,
  ERR_MLIST_DIFFERS: 8,
  ERR_MLIST_INTERRUPTED: 130,
  ERR_MLIST_TERMINATED: 143,
} as const;

export type ErrorCode = keyof typeof exitCodes;

/** An error that a registry reported, without secrets and cut to a safe length. What it did not report is empty. */
export interface Diagnostic {
  readonly code: string;
  readonly message: string;
  /** The registry's `detail` as text: members as `name: value`. */
  readonly detail?: string;
}

/** What became of one target of a command that was interrupted. */
export interface TargetOutcome {
  /** Canonical reference, or location. */
  readonly reference: string;
  /** unknown: it was being written, and nothing confirms that it was. unchanged: it had the digest already. */
  readonly status: 'pushed' | 'unchanged' | 'unknown' | 'not-pushed';
  /** What it was to have, where that was known. */
  readonly digest?: string;
}

/** The facts that an error carries beside its sentence. Nothing here may hold a secret. */
export interface ErrorFacts {
  /** What to do next, one sentence. */
  readonly hint?: string | undefined;
  /** The reference or location that the failed step worked on. */
  readonly reference?: string | undefined;
  /** The file that the failed step worked on. */
  readonly path?: string | undefined;
  readonly problems?: readonly Problem[] | undefined;
  /** HTTP status of the answer that failed. */
  readonly status?: number | undefined;
  /** Milliseconds that the registry asked its client to wait (`Retry-After`). */
  readonly retryAfterMs?: number | undefined;
  readonly diagnostics?: readonly Diagnostic[] | undefined;
  /** Digests that the registry's answer names, such as those of the content that it lacks. */
  readonly digests?: readonly string[] | undefined;
  /** Commands to choose from, where several things were meant. */
  readonly candidates?: readonly string[] | undefined;
  /** Of an interruption: what became of everything that was to be published. */
  readonly targets?: readonly TargetOutcome[] | undefined;
  /** Anything thrown; what is not an MlistError is stored as a ForeignError. */
  readonly cause?: unknown;
}

/** Every failure that mlist expects. Decide by `code`, never by the message. */
export class MlistError extends Error {
  override readonly name: string = 'MlistError';
  readonly code: ErrorCode;
  readonly facts: ErrorFacts;

  constructor(code: ErrorCode, message: string, facts: ErrorFacts = {}) {
    const cause = safeCause(facts.cause);
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.facts = cause === facts.cause ? facts : { ...facts, cause };
  }

  get exitCode(): number {
    return exitCodes[this.code];
  }

  /** The reference, location or name that the error is about. */
  get reference(): string | undefined {
    return this.facts.reference;
  }

  get hint(): string | undefined {
    return this.facts.hint;
  }

  get problems(): readonly Problem[] {
    return this.facts.problems ?? [];
  }

  /** The error as plain data. */
  toJSON(): object {
    const { name, code, message } = this;
    return { name, code, message, ...this.facts };
  }
}

function safeCause(cause: unknown): MlistError | ForeignError | undefined {
  if (cause === undefined || cause instanceof MlistError || cause instanceof ForeignError) return cause;
  return new ForeignError(cause);
}

/** Several failures of one command; its code is that of the part with the highest exit code. */
export class SeveralErrors extends MlistError {
  override readonly name = 'SeveralErrors';
  readonly errors: readonly MlistError[];

  private constructor(worst: MlistError, errors: readonly MlistError[]) {
    super(worst.code, errors.map((error) => error.message).join('\n'), { cause: worst });
    this.errors = errors;
  }

  /** The cause is one of the errors. */
  override toJSON(): object {
    return { ...super.toJSON(), cause: undefined, errors: this.errors };
  }

  /** One error for many: the error itself where there is one only, or where all say the same. */
  static of(errors: readonly [MlistError, ...MlistError[]]): MlistError {
    const all = errors.flatMap((error) => (error instanceof SeveralErrors ? error.errors : [error]));
    const byText = new Map<string, MlistError>();
    for (const error of all) {
      const text = `${error.code} ${error.message}`;
      if (!byText.has(text)) byText.set(text, error);
    }
    const flat = [...byText.values()];
    const worst = flat.reduce((left, right) => (right.exitCode > left.exitCode ? right : left), errors[0]);
    return flat.length === 1 ? worst : new SeveralErrors(worst, flat);
  }

  /** Throws one error for all; does nothing if there are none. */
  static throwAny([first, ...more]: readonly MlistError[]): void {
    if (first !== undefined) throw SeveralErrors.of([first, ...more]);
  }
}

/** The same error with another word on what to do next. */
export function withHint({ code, message, facts }: MlistError, hint: string): MlistError {
  return new MlistError(code, message, { ...facts, hint });
}

/** Turns anything thrown into an MlistError; what nobody expected becomes an unexpected fault that keeps its cause. */
export function asMlistError(thrown: unknown): MlistError {
  if (thrown instanceof MlistError) return thrown;
  const message = errorMessage(thrown);
  if (isSystemError(thrown)) {
    const { code, path } = thrown;
    const reason = systemErrors.get(code)?.reason;
    const text = reason === undefined ? message : `cannot use ${path ?? 'a file'}: ${reason} (${code})`;
    return new MlistError('ERR_MLIST_FILE', text, { cause: thrown, path });
  }
  return new MlistError('ERR_MLIST_UNEXPECTED', `unexpected fault: ${message}`, {
    cause: thrown,
    hint: 'This is a bug in mlist: please report it with the output of the same command under --debug.',
  });
}

interface SystemError {
  readonly code: string;
  readonly syscall: string;
  readonly path?: string;
}

/** Decided by shape: errors of other realms (as under a test runner) fail `instanceof Error`. */
function isSystemError(thrown: unknown): thrown is SystemError {
  return errorCode(thrown) !== undefined && typeof (thrown as { syscall?: unknown }).syscall === 'string';
}

/** The `code` of a Node error such as `ENOENT`; undefined for anything else. */
export function errorCode(thrown: unknown): string | undefined {
  if (typeof thrown !== 'object' || thrown === null) return undefined;
  const { code } = thrown as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}

/** The message of anything thrown, without credentials. */
export function errorMessage(thrown: unknown): string {
  return thrown instanceof MlistError ? thrown.message : foreignMessage(thrown);
}
