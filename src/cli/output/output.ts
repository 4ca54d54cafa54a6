import type { ChalkInstance } from 'chalk';
import type { RequestEvent } from '../../store/registry/registry-options.ts';
import { asMlistError, SeveralErrors, type ErrorCode, type MlistError } from '../../errors/errors.ts';
import { writeJson } from '../../json/stringify.ts';
import { truncateToWidth } from '../../text/display-width.ts';
import { counted } from '../../text/quantity.ts';
import { escapeText, escapeJson, escapeLine, escapeLineStarts } from '../../text/escape.ts';
import { hintOf } from './remedy-hint.ts';

/** The streams of a command: stdout is for the result, stderr for everything else. */
export interface Streams {
  readonly stdout: Sink;
  readonly stderr: Sink;
}

export interface Sink {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  /** Whether a write has failed. Further writes are then ignored. */
  readonly isLost?: boolean | undefined;
  write(chunk: string | Uint8Array): unknown;
}

export interface OutputOptions {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly debug: boolean;
  readonly progress: 'auto' | 'tty' | 'plain' | 'json' | 'none';
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether to print the result document in one line, for a stream of JSON lines. Default false. */
  readonly compactDocument?: boolean | undefined;
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** Text, optionally with a style. Styles are used only on terminals with colours. */
export type Span = string | readonly [text: string, style: Style];

/** Returns the text of a span without its style. */
export function textOf(span: Span): string {
  return typeof span === 'string' ? span : span[0];
}

interface Paint {
  readonly stdout: ChalkInstance | undefined;
  readonly stderr: ChalkInstance | undefined;
}

export class Output {
  readonly #streams: Streams;
  readonly #options: OutputOptions;
  readonly #paint: Paint;
  /** The number of progress lines at the bottom of the terminal. */
  #footLines = 0;

  private constructor(streams: Streams, options: OutputOptions, paint: Paint) {
    this.#streams = streams;
    this.#options = options;
    this.#paint = paint;
  }

  /**
   * Creates an output. The library for colours is loaded only if colours are used: on a capable terminal, without
   * NO_COLOR.
   */
  static async open(streams: Streams, options: OutputOptions): Promise<Output> {
    const { env } = options;
    const hasColours = ({ isTTY }: Sink) => isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
    const isColoured = { stdout: hasColours(streams.stdout), stderr: hasColours(streams.stderr) };
    if (!isColoured.stdout && !isColoured.stderr)
      return new Output(streams, options, { stdout: undefined, stderr: undefined });
    const { Chalk } = await import('chalk');
    const chalk = new Chalk({ level: 1 });
    return new Output(streams, options, {
      stdout: isColoured.stdout ? chalk : undefined,
      stderr: isColoured.stderr ? chalk : undefined,
    });
  }

  get json(): boolean {
    return this.#options.json;
  }

  /** Whether events are printed as JSON lines. */
  get #eventsAsJson(): boolean {
    return this.#options.progress === 'json' || (this.#options.json && this.#options.progress === 'auto');
  }

  get width(): number {
    return this.#streams.stdout.columns ?? 80;
  }

  /** Whether progress lines are redrawn: with `--progress tty`, or by default on a capable terminal, unless quiet. */
  get isLive(): boolean {
    const { progress, quiet, env } = this.#options;
    const isCapable = this.#streams.stderr.isTTY === true && env['TERM'] !== 'dumb' && !env['CI'];
    return !quiet && (progress === 'tty' || (progress === 'auto' && isCapable && !this.#eventsAsJson));
  }

  /**
   * Draws the progress lines at the bottom of the terminal in place of the previous ones. Other output erases them until
   * the next call.
   */
  setFooter(lines: readonly string[]): void {
    if (lines.length === 0 && this.#footLines === 0) return;
    const { columns = 80 } = this.#streams.stderr;
    const text = lines.map((line) => `${truncateToWidth(escapeLine(line), columns - 1)}\n`).join('');
    this.#streams.stderr.write(this.#eraseFoot() + text);
    this.#footLines = lines.length;
  }

  /**
   * Returns the escape sequence that erases the progress lines, and resets their number. The sequence is empty if there
   * are no lines.
   */
  #eraseFoot(): string {
    const lines = this.#footLines;
    this.#footLines = 0;
    return lines === 0 ? '' : `\u001b[${lines}A\u001b[0J`;
  }

  /**
   * The number of columns of the terminal on stdout: 80 if it is unknown, and at least 20. Undefined if stdout is not a
   * terminal; lines may then have any length.
   */
  get terminalWidth(): number | undefined {
    const { isTTY, columns = 0 } = this.#streams.stdout;
    return isTTY === true ? Math.max(20, columns === 0 ? 80 : columns) : undefined;
  }

  /**
   * Whether notes contain shortened digests. Digests are complete if stderr is not a terminal or events are printed as
   * JSON, because programs may search for them.
   */
  get hasShortNotes(): boolean {
    return this.#streams.stderr.isTTY === true && !this.#eventsAsJson;
  }

  get isQuiet(): boolean {
    return this.#options.quiet;
  }

  /** Whether a write to stdout has failed. A command that only prints can then stop early. */
  get isLost(): boolean {
    return this.#streams.stdout.isLost === true;
  }

  /** Prints a line of the result. */
  line(...spans: readonly Span[]): void {
    this.#stdout(`${escapeLineStarts(paint(this.#paint.stdout, spans))}\n`);
  }

  /** Prints the result as one JSON document. */
  document(value: object): void {
    this.#stdout(`${escapeJson(writeJson(value, this.#options.compactDocument === true ? {} : { indent: '  ' }))}\n`);
  }

  /** Prints exact bytes. On a terminal, control characters are written as JSON escapes. */
  bytes(bytes: Uint8Array, end: '' | '\n'): void {
    const isSafe = this.#streams.stdout.isTTY !== true;
    this.#stdout(isSafe ? bytes : escapeJson(Buffer.from(bytes).toString('utf8')));
    if (end !== '') this.#stdout(end);
  }

  /**
   * Prints a line for people on stderr. Does nothing with `--quiet` or `--progress none`, or if events are printed as
   * JSON lines.
   */
  note(...spans: readonly Span[]): void {
    if (this.#options.quiet || this.#eventsAsJson || this.#options.progress === 'none') return;
    this.#stderr(`${paint(this.#paint.stderr, spans)}\n`);
  }

  warn(message: string): void {
    this.note(['warning: ', 'yellow'], message);
  }

  /** Prints an event as a JSON line. Does nothing with `--quiet`, or if events are printed as text. */
  event(document: object): void {
    if (this.#options.quiet || !this.#eventsAsJson) return;
    this.#line(document);
  }

  /**
   * Prints a line of a log that the user has requested. It is printed on stderr even with `--quiet`. An object is
   * printed as JSON.
   */
  log(line: string | object): void {
    if (typeof line === 'object') this.#line(line);
    else this.#stderr(`${escapeLine(line)}\n`);
  }

  /** Returns a function that logs requests, or undefined without `--debug`, so that no unused events are created. */
  get request(): ((event: RequestEvent) => void) | undefined {
    if (!this.#options.debug) return undefined;
    return (event) => {
      if (this.#eventsAsJson) return this.#line(event);
      const { method, url, status, milliseconds, protocol, note, rateLimit, chosenBy } = event;
      const answer = status === undefined ? (note ?? 'no response') : String(status);
      const over = protocol === undefined ? '' : `, ${protocol}`;
      const remaining = rateLimit === undefined ? '' : `, ${rateLimit.remaining} of ${rateLimit.limit} left`;
      const rule = chosenBy === undefined ? '' : `, chosen by ${chosenBy}`;
      const line = `debug: ${method} ${url} ${answer} ${milliseconds.toFixed(0)} ms${over}${remaining}${rule}`;
      this.#stderr(`${escapeLine(line)}\n`);
    };
  }

  /**
   * Prints an error with its problems, candidates and hint, as a JSON line or as text. If it contains several errors,
   * each of them is printed; as text, errors with the same message are printed once.
   */
  error(thrown: unknown): void {
    const error = asMlistError(thrown);
    const all = error instanceof SeveralErrors ? error.errors : [error];
    if (this.#options.json || this.#eventsAsJson) for (const single of all) this.#line(errorDocument(single));
    else for (const alike of alikeErrors(all)) this.#plainError(...alike);
    if (this.#options.debug && !this.#eventsAsJson && error.code === 'ERR_MLIST_UNEXPECTED') {
      this.#stderr(`${escapeText(causeOf(error))}\n`);
    }
  }

  #plainError(error: MlistError, ...alike: readonly MlistError[]): void {
    const print = (...spans: readonly Span[]) => this.#stderr(`${paint(this.#paint.stderr, spans)}\n`);
    print(['mlist: ', 'red'], error.message);
    if (alike.length > 0) print(`  and ${counted(alike.length, 'other error')} with the same message`);
    const { problems } = error;
    if (problems.length > 1) {
      for (const { rule, severity, pointer, message } of problems)
        print(`  ${severity} ${rule} ${pointer === '' ? '/' : pointer}: ${message}`);
    }
    for (const candidate of error.facts.candidates ?? []) print(`  ${candidate}`);
    const hint = hintOf(error);
    if (hint !== undefined) print(['hint: ', 'cyan'], hint);
  }

  #stdout(chunk: string | Uint8Array): void {
    if (this.#footLines > 0) this.#streams.stderr.write(this.#eraseFoot());
    this.#streams.stdout.write(chunk);
  }

  #stderr(text: string): void {
    this.#streams.stderr.write(this.#eraseFoot() + escapeLineStarts(text));
  }

  #line(value: object): void {
    this.#stderr(`${escapeJson(writeJson(value))}\n`);
  }
}

/** Codes of errors that concern a whole host: usually, every request to the host fails with the same error. */
const hostErrors: ReadonlySet<ErrorCode> = new Set([
  'ERR_MLIST_UNAUTHORIZED',
  'ERR_MLIST_NETWORK',
  'ERR_MLIST_TIMEOUT',
]);

/**
 * Groups errors with the same message. Digests are ignored in errors that concern a whole host: without a login, for
 * example, each blob of an image fails with the same error.
 */
function alikeErrors(errors: readonly MlistError[]): readonly (readonly [MlistError, ...MlistError[]])[] {
  const groups = new Map<string, [MlistError, ...MlistError[]]>();
  for (const error of errors) {
    const key = hostErrors.has(error.code) ? error.message.replace(/@[a-z\d]+:[\da-f]{64,}/, '@') : error.message;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [error]);
    else group.push(error);
  }
  return [...groups.values()];
}

function paint(chalk: ChalkInstance | undefined, spans: readonly Span[]): string {
  return spans
    .map((span) => {
      if (typeof span === 'string') return escapeLine(span);
      const [text, style] = span;
      return chalk === undefined ? escapeLine(text) : chalk[style](escapeLine(text));
    })
    .join('');
}

/** Converts an error for the `--json` output: schemas/output/error.schema.json. */
export function errorDocument(error: MlistError): object {
  const { reference, path, status, diagnostics, candidates, targets } = error.facts;
  const problems = error.problems.length === 0 ? undefined : error.problems;
  return {
    type: 'error',
    code: error.code,
    exitCode: error.exitCode,
    message: error.message,
    hint: hintOf(error),
    ref: reference,
    path,
    status,
    diagnostics,
    problems,
    candidates,
    targets: targets?.map(({ reference: ref, ...target }) => ({ ref, ...target })),
  };
}

function causeOf(error: MlistError): string {
  const { cause } = error.facts;
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
}
