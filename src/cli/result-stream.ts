import { fstatSync, writeSync } from 'node:fs';
import { errorCode, type MlistError } from '../errors.ts';
import { writeFailure } from '../files/failure.ts';
import type { Sink } from './output.ts';

/** Exit code of a command whose result nobody read: that of a program that SIGPIPE ends. Windows has no signals. */
const UNREAD = process.platform === 'win32' ? 1 : 141;

/** What a write reports when the reader has closed its end: of a pipe, of a pipe on Windows, of a socket. */
const closed = new Set(['EPIPE', 'EOF', 'ECONNRESET']);

/**
 * stdout, which carries the result. After a write has failed nothing more is written; the command runs to its end, because
 * its work and its exit code do not depend on who reads the result.
 */
export class ResultStream implements Sink {
  readonly #stream: typeof process.stdout;
  readonly #isFile: boolean;
  readonly #onLost: (error: MlistError | undefined) => void;
  #lost: 'unread' | 'unwritable' | undefined;

  /** @param onLost - called once, when a write has failed; without an error where the reader has closed its end */
  constructor(stream: typeof process.stdout, onLost: (error: MlistError | undefined) => void) {
    this.#stream = stream;
    this.#isFile = isFile(stream.fd);
    this.#onLost = onLost;
    stream.on('error', (error) => this.#fail(error));
  }

  get isTTY(): boolean | undefined {
    return this.#stream.isTTY;
  }

  get columns(): number | undefined {
    return this.#stream.columns;
  }

  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  write(chunk: string | Uint8Array): void {
    if (this.isLost) return;
    if (!this.#isFile) this.#stream.write(chunk);
    else this.#writeFile(Buffer.from(chunk));
  }

  /** The exit code of a command that ended with `code`. */
  exitCode(code: number): number {
    if (code !== 0 || this.#lost === undefined) return code;
    return this.#lost === 'unread' ? UNREAD : 1;
  }

  /** On a disk that is nearly full a write takes a part of the bytes, which Node's stream for files does not notice. */
  #writeFile(bytes: Buffer): void {
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(this.#stream.fd, bytes, at);
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  #fail(thrown: unknown): void {
    if (this.isLost) return;
    const isUnread = closed.has(errorCode(thrown) ?? '');
    this.#lost = isUnread ? 'unread' : 'unwritable';
    this.#onLost(isUnread ? undefined : writeFailure('stdout', thrown));
  }
}

/** Not every system can say what a console is. */
function isFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile();
  } catch {
    return false;
  }
}
