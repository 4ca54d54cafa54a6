import { fstatSync, writeSync } from 'node:fs';
import { errorCode, MlistError } from '../../errors/errors.ts';
import { writeFailure } from '../../fs/file-errors.ts';
import type { Sink } from './output.ts';

/** The exit code if the reader of stdout has closed its end: that of a program that SIGPIPE ends. Windows has no signals. */
const UNREAD = process.platform === 'win32' ? 1 : 141;

/** Error codes of a write after the reader has closed a pipe, a pipe on Windows, or a socket. */
const closed = new Set(['EPIPE', 'EOF', 'ECONNRESET']);

/**
 * stdout, which carries the result. After a failed write, further writes are ignored. The command continues, because its work
 * does not depend on the reader of the result.
 */
export class ResultStream implements Sink {
  readonly #stream: typeof process.stdout;
  readonly #isFile: boolean;
  readonly #onLost: (error: MlistError | undefined) => void;
  #lost: 'unread' | 'unwritable' | undefined;

  /** @param onLost - called after the first failed write; without an error if the reader has closed its end */
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
   * Writes bytes of an archive. Resolves when they were passed on, so that the buffer may be reused.
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

  /** On a full disk a write may accept only some of the bytes, which Node's file streams do not detect. */
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

/** An archive cannot be written because an earlier write to stdout has failed, which was reported then. */
export class LostOutput extends MlistError {
  constructor() {
    super('ERR_MLIST_FILE', 'stdout was closed before the archive was complete');
  }
}

/** Some systems cannot stat a console. */
function isFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile();
  } catch {
    return false;
  }
}
