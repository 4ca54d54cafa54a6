import { describeRemedy, type Remedy } from './remedy.ts';
import { systemErrors } from './system-errors.ts';
import { ForeignError, foreignMessage } from './foreign-error.ts';

/** An error makes a document invalid; a warning is only reported. */
export type Severity = 'error' | 'warning';

/** A violation of one rule by a document. */
export interface Problem {
  /** The ID of the rule, such as `E-DUP-PLATFORM`. docs/rules.md lists all rules. */
  readonly rule: string;
  readonly severity: Severity;
  /** JSON pointer (RFC 6901). The empty string refers to the whole document. */
  readonly pointer: string;
  readonly message: string;
  /** Position in a YAML or JSON file. `line` and `column` start at 1. */
  readonly line?: number;
  readonly column?: number;
}

/** Maximum number of problems in a report, so that a hostile document cannot exhaust memory. */
export const MAX_PROBLEMS = 100;

/**
 * All error codes, with their exit codes.
 * 1 unexpected error, or a file error · 2 invalid command line, or refused by the configuration · 3 document or list
 * refused · 4 not found · 5 conflict · 6 not authorised · 7 registry or network · 8 differs · 130 and 143 interrupted.
 */
export const exitCodes = {
  ERR_MLIST_UNEXPECTED: 1,
  ERR_MLIST_FILE: 1,
  ERR_MLIST_USAGE: 2,
  ERR_MLIST_REFERENCE_INVALID: 2,
  ERR_MLIST_PLATFORM_INVALID: 2,
  ERR_MLIST_AMBIGUOUS: 2,
  ERR_MLIST_CONFIGURATION: 2,
  ERR_MLIST_BLOCKED: 2,
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

/** An error that a registry or engine reported, truncated and without secrets. `code` and `message` may be empty. */
export interface Diagnostic {
  readonly code: string;
  readonly message: string;
  /** The registry's `detail` as text, with members as `name: value`. */
  readonly detail?: string;
}

/** The state of one target after a command was interrupted or failed. */
export interface TargetOutcome {
  /** Canonical reference or location. */
  readonly reference: string;
  /** `unknown`: the target did not confirm the write. `unchanged`: the target already had the digest. */
  readonly status: 'pushed' | 'unchanged' | 'unknown' | 'not-pushed';
  /** The digest that was to be written, if it was known. */
  readonly digest?: string;
}

/** The structured data of an error. It must not contain secrets. */
export interface ErrorFacts {
  /** The next step as text. */
  readonly hint?: string | undefined;
  /** The next step as data: a setting that may let the operation succeed. */
  readonly remedy?: Remedy | undefined;
  /** The reference or location of the failed operation. */
  readonly reference?: string | undefined;
  /** The file or folder of the failed operation. */
  readonly path?: string | undefined;
  readonly problems?: readonly Problem[] | undefined;
  /** HTTP status of the failed request. */
  readonly status?: number | undefined;
  /** The delay in milliseconds that the registry requested (`Retry-After`). */
  readonly retryAfterMs?: number | undefined;
  readonly diagnostics?: readonly Diagnostic[] | undefined;
  /** The digests in the registry's response, for example of missing content. */
  readonly digests?: readonly string[] | undefined;
  /** The possible choices if an argument is ambiguous, such as the digests of the matching entries. */
  readonly candidates?: readonly string[] | undefined;
  /** The state of all targets, if the command was interrupted or a push with `allOrNothing` failed. */
  readonly targets?: readonly TargetOutcome[] | undefined;
  /** Any thrown value. Values other than an MlistError are stored as a ForeignError. */
  readonly cause?: unknown;
}

/** The class of the errors that mlist reports. Use `code`, not the message, to distinguish them. */
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

  /** The next step as text: the hint, and the description of the remedy. */
  get hint(): string | undefined {
    const { hint, remedy } = this.facts;
    if (remedy === undefined) return hint;
    return hint === undefined ? describeRemedy(remedy) : `${hint} ${describeRemedy(remedy)}`;
  }

  get problems(): readonly Problem[] {
    return this.facts.problems ?? [];
  }

  /** Returns the error as plain data. */
  toJSON(): object {
    const { name, code, message, hint } = this;
    return { name, code, message, ...this.facts, ...(hint === undefined ? {} : { hint }) };
  }
}

function safeCause(cause: unknown): MlistError | ForeignError | undefined {
  if (cause === undefined || cause instanceof MlistError || cause instanceof ForeignError) return cause;
  return new ForeignError(cause);
}

/** Combines several errors of one command. Its code comes from the error with the highest exit code. */
export class SeveralErrors extends MlistError {
  override readonly name = 'SeveralErrors';
  readonly errors: readonly MlistError[];

  private constructor(worst: MlistError, errors: readonly MlistError[]) {
    super(worst.code, errors.map((error) => error.message).join('\n'), { cause: worst });
    this.errors = errors;
  }

  /** Omits the cause, which is one of the errors. */
  override toJSON(): object {
    return { ...super.toJSON(), cause: undefined, errors: this.errors };
  }

  /** Combines errors and removes duplicates. If only one error remains, returns it. */
  static of(errors: readonly [MlistError, ...MlistError[]]): MlistError {
    const all = errors.flatMap((error) => (error instanceof SeveralErrors ? error.errors : [error]));
    const byText = new Map<string, MlistError>();
    for (const error of all) {
      const text = `${error.code} ${error.message}`;
      if (!byText.has(text)) byText.set(text, error);
    }
    const unique = [...byText.values()];
    const worst = unique.reduce((left, right) => (right.exitCode > left.exitCode ? right : left), errors[0]);
    return unique.length === 1 ? worst : new SeveralErrors(worst, unique);
  }

  /** Throws the combined error, if there is at least one error. */
  static throwAny([first, ...more]: readonly MlistError[]): void {
    if (first !== undefined) throw SeveralErrors.of([first, ...more]);
  }
}

/** The next step after an error, as text and as data. */
export type NextStep = Pick<ErrorFacts, 'hint' | 'remedy'>;

/** Returns a copy of an error with another next step. */
export function withNextStep({ code, message, facts }: MlistError, { hint, remedy }: NextStep): MlistError {
  return new MlistError(code, message, { ...facts, hint, remedy });
}

/** Returns a copy of an error with another hint, and without a remedy. */
export function withHint(error: MlistError, hint: string): MlistError {
  return withNextStep(error, { hint });
}

/** Returns a copy of an error with a hint before the existing one. */
export function withFirstHint(error: MlistError, hint: string): MlistError {
  const { hint: present, remedy } = error.facts;
  return withNextStep(error, { hint: present === undefined ? hint : `${hint} ${present}`, remedy });
}

/** Returns a copy of an error with a hint after the existing one, and before the remedy. */
export function withFurtherHint(error: MlistError, hint: string): MlistError {
  const { hint: present, remedy } = error.facts;
  return withNextStep(error, { hint: present === undefined ? hint : `${present} ${hint}`, remedy });
}

/**
 * Converts a thrown value to an MlistError. System errors become `ERR_MLIST_FILE`, and unknown values become
 * `ERR_MLIST_UNEXPECTED`, both with the value as cause.
 */
export function asMlistError(thrown: unknown): MlistError {
  if (thrown instanceof MlistError) return thrown;
  const message = errorMessage(thrown);
  if (isSystemError(thrown)) {
    const { code, path } = thrown;
    const reason = systemErrors.get(code)?.reason;
    const text = reason === undefined ? message : `cannot access ${path ?? 'a file'}: ${reason} (${code})`;
    return new MlistError('ERR_MLIST_FILE', text, { cause: thrown, path });
  }
  return new MlistError('ERR_MLIST_UNEXPECTED', `unexpected error: ${message}`, {
    cause: thrown,
    remedy: { kind: 'report-bug' },
  });
}

interface SystemError {
  readonly code: string;
  readonly syscall: string;
  readonly path?: string;
}

/**
 * Whether a thrown value is a system error from Node. Checks the members, because `instanceof Error` is false for
 * errors of other realms, such as in a test runner.
 */
function isSystemError(thrown: unknown): thrown is SystemError {
  return errorCode(thrown) !== undefined && typeof (thrown as { syscall?: unknown }).syscall === 'string';
}

/** Returns the `code` of an error, such as `ENOENT`. Returns undefined if it has none. */
export function errorCode(thrown: unknown): string | undefined {
  if (typeof thrown !== 'object' || thrown === null) return undefined;
  const { code } = thrown as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}

/** Returns the message of a thrown value, without credentials. */
export function errorMessage(thrown: unknown): string {
  return thrown instanceof MlistError ? thrown.message : foreignMessage(thrown);
}
