import type { ChalkInstance } from 'chalk';
import { asMlistError, SeveralErrors, writeJson, type MlistError, type RequestEvent } from '../index.ts';
import { plain, plainJson, plainLine } from './plain.ts';

/** The only writer of the command line: stdout carries the result, stderr the rest. */
export interface Streams {
  readonly stdout: Sink;
  readonly stderr: Sink;
}

export interface Sink {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(chunk: string | Uint8Array): unknown;
}

export interface OutputOptions {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly debug: boolean;
  readonly progress: 'auto' | 'tty' | 'plain' | 'json' | 'none';
  readonly env: Readonly<Record<string, string | undefined>>;
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** Text, and how it looks where colours are shown. */
export type Span = string | readonly [text: string, style: Style];

interface Paint {
  readonly stdout: ChalkInstance | undefined;
  readonly stderr: ChalkInstance | undefined;
}

export class Output {
  readonly #streams: Streams;
  readonly #options: OutputOptions;
  readonly #paint: Paint;

  private constructor(streams: Streams, options: OutputOptions, paint: Paint) {
    this.#streams = streams;
    this.#options = options;
    this.#paint = paint;
  }

  /** Colours are loaded only where they are shown: on a terminal, without NO_COLOR. */
  static async open(streams: Streams, options: OutputOptions): Promise<Output> {
    const { env } = options;
    const wants = ({ isTTY }: Sink) => isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
    const isColoured = { stdout: wants(streams.stdout), stderr: wants(streams.stderr) };
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

  /** Events as JSON lines, for programs. */
  get #eventsAsJson(): boolean {
    return this.#options.progress === 'json' || (this.#options.json && this.#options.progress === 'auto');
  }

  get width(): number {
    return this.#streams.stdout.columns ?? 80;
  }

  /** Columns of the terminal that the result is shown on; undefined where it goes elsewhere, and lines may be of any length. */
  get terminalWidth(): number | undefined {
    const { isTTY, columns } = this.#streams.stdout;
    return isTTY === true ? columns : undefined;
  }

  /** A line of the result. */
  line(...spans: readonly Span[]): void {
    this.#streams.stdout.write(`${paint(this.#paint.stdout, spans)}\n`);
  }

  /** The result as one JSON document. */
  document(value: object): void {
    this.#streams.stdout.write(`${plainJson(writeJson(value, { indent: '  ' }))}\n`);
  }

  /** Exact bytes: on a terminal with what could be an escape sequence written out, as JSON allows. */
  bytes(bytes: Uint8Array, end: '' | '\n'): void {
    const isSafe = this.#streams.stdout.isTTY !== true;
    this.#streams.stdout.write(isSafe ? bytes : plainJson(Buffer.from(bytes).toString('utf8')));
    if (end !== '') this.#streams.stdout.write(end);
  }

  /** A line for people about how the work goes. */
  note(...spans: readonly Span[]): void {
    if (this.#options.quiet || this.#eventsAsJson || this.#options.progress === 'none') return;
    this.#streams.stderr.write(`${paint(this.#paint.stderr, spans)}\n`);
  }

  warn(message: string): void {
    this.note(['warning: ', 'yellow'], message);
  }

  /** An event for programs, as a document; people get it as a note by who renders it. */
  event(document: object): void {
    if (this.#options.quiet || !this.#eventsAsJson) return;
    this.#line(document);
  }

  request(event: RequestEvent): void {
    if (!this.#options.debug) return;
    if (this.#eventsAsJson) return this.#line(event);
    const { method, url, status, milliseconds, note, rateLimit } = event;
    const answer = status === undefined ? (note ?? 'no answer') : String(status);
    const left = rateLimit === undefined ? '' : `, ${rateLimit.remaining} of ${rateLimit.limit} left`;
    const line = `debug: ${method} ${url} ${answer} ${milliseconds.toFixed(0)} ms${left}`;
    this.#streams.stderr.write(`${plainLine(line)}\n`);
  }

  /** An error: what failed, why, and what to do next; each part of several. */
  error(thrown: unknown): void {
    const error = asMlistError(thrown);
    for (const one of error instanceof SeveralErrors ? error.errors : [error]) {
      if (this.#options.json || this.#eventsAsJson) this.#line(errorDocument(one));
      else this.#plainError(one);
    }
    if (this.#options.debug && !this.#eventsAsJson && error.code === 'ERR_MLIST_UNEXPECTED') {
      this.#streams.stderr.write(`${plain(causeOf(error))}\n`);
    }
  }

  #plainError(error: MlistError): void {
    const say = (...spans: readonly Span[]) => this.#streams.stderr.write(`${paint(this.#paint.stderr, spans)}\n`);
    say(['mlist: ', 'red'], error.message);
    const { problems } = error;
    if (problems.length > 1) {
      for (const { rule, severity, pointer, message } of problems)
        say(`  ${severity} ${rule} ${pointer === '' ? '/' : pointer}: ${message}`);
    }
    for (const candidate of error.facts.candidates ?? []) say(`  ${candidate}`);
    if (error.hint !== undefined) say(['hint: ', 'cyan'], error.hint);
  }

  #line(value: object): void {
    this.#streams.stderr.write(`${plainJson(writeJson(value))}\n`);
  }
}

function paint(chalk: ChalkInstance | undefined, spans: readonly Span[]): string {
  return spans
    .map((span) => {
      if (typeof span === 'string') return plainLine(span);
      const [text, style] = span;
      return chalk === undefined ? plainLine(text) : chalk[style](plainLine(text));
    })
    .join('');
}

/** An error as a document: schemas/output/error.schema.json. */
export function errorDocument(error: MlistError): object {
  const { hint, reference, path, status, diagnostics, candidates } = error.facts;
  const problems = error.problems.length === 0 ? undefined : error.problems;
  return {
    type: 'error',
    code: error.code,
    exitCode: error.exitCode,
    message: error.message,
    hint,
    ref: reference,
    path,
    status,
    diagnostics,
    problems,
    candidates,
  };
}

function causeOf(error: MlistError): string {
  const { cause } = error.facts;
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
}
