import { fstatSync, writeSync } from 'node:fs';
import { errorCode, MlistError } from '../../errors/errors.ts';
import { writeFailure } from '../../fs/file-errors.ts';
import type { Sink } from './output.ts';

/** The exit code if the reader of stdout has closed the pipe: 128 + SIGPIPE, or 1 on Windows, which has no signals. */
const UNREAD = process.platform === 'win32' ? 1 : 141;

/** Error codes of a write after the reader has closed stdout: for a pipe, a pipe on Windows, and a socket. */
const closed = new Set(['EPIPE', 'EOF', 'ECONNRESET']);

/**
 * The stdout of the process, to which the result is written. After a failed write, `write` does nothing, and the
 * command continues, because its work does not depend on the reader of the result. `send` throws an error instead,
 * because an incomplete archive is useless.
 */
export class ResultStream implements Sink {
  readonly #stream: typeof process.stdout;
  readonly #isFile: boolean;
  readonly #onLost: (error: MlistError | undefined) => void;
  #lost: 'unread' | 'unwritable' | undefined;

  /** @param onLost - called after the first failed write, with undefined if the reader has closed stdout */
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

  /**
   * Writes a chunk of an archive. Resolves when the caller may reuse the buffer.
   * @throws LostOutput if this or an earlier write has failed
   */
  async send(chunk: Uint8Array): Promise<void> {
    if (this.#isFile) this.write(chunk);
    else if (!this.isLost) {
      await new Promise<void>((resolve) => {
        this.#stream.write(chunk, (error) => {
          if (error != null) this.#fail(error);
          resolve();
        });
      });
    }
    if (this.isLost) throw new LostOutput();
  }

  /**
   * Returns the exit code of the process: `code`, or an error code if the command succeeded but its result could not be
   * written.
   */
  exitCode(code: number): number {
    if (code !== 0 || this.#lost === undefined) return code;
    return this.#lost === 'unread' ? UNREAD : 1;
  }

  /**
   * Writes all bytes to a file, even if a write stores only some of them. Node's file streams would not detect this on
   * a full disk.
   */
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

/**
 * Thrown if the rest of an archive cannot be written to stdout. `ResultStream` has already handled the failed write, so
 * this error is not printed.
 */
export class LostOutput extends MlistError {
  constructor() {
    super('ERR_MLIST_FILE', 'stdout was closed before the archive was complete');
  }
}

/** Whether a file descriptor is a regular file. False if `fstat` fails, as it does for consoles on some systems. */
function isFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile();
  } catch {
    return false;
  }
}
