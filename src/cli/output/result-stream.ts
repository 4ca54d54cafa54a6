import { fstatSync, writeSync } from 'node:fs';
import { errorCode, MlistError } from '../../errors/errors.ts';
import { writeFailure } from '../../fs/file-errors.ts';
import type { Sink } from './output.ts';

/**
 * The exit code after the reader of stdout has closed the pipe: that of a program that was ended by SIGPIPE. Windows
 * has no signals.
 */
const UNREAD = process.platform === 'win32' ? 1 : 141;

/** Error codes of a write after the reader has closed stdout: for a pipe, a pipe on Windows, and a socket. */
const closed = new Set(['EPIPE', 'EOF', 'ECONNRESET']);

/**
 * The stdout of the process, which receives the result. After a failed write, further writes are ignored, and the
 * command continues: its work does not depend on the reader of the result.
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
   * Writes bytes of an archive. Resolves when the caller may reuse the buffer.
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

  /** The exit code of the process, for a command that ended with `code`. */
  exitCode(code: number): number {
    if (code !== 0 || this.#lost === undefined) return code;
    return this.#lost === 'unread' ? UNREAD : 1;
  }

  /**
   * Writes to a file. On a full disk, a write may store only some of the bytes, which Node's file streams do not
   * detect.
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

/** The error for an archive after a write to stdout has failed. That failure was reported when it occurred. */
export class LostOutput extends MlistError {
  constructor() {
    super('ERR_MLIST_FILE', 'stdout was closed before the archive was complete');
  }
}

/** Whether a file descriptor is a regular file; false if it cannot be examined, as a console on some systems. */
function isFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile();
  } catch {
    return false;
  }
}
