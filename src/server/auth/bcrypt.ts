import { Worker } from 'node:worker_threads';
import { workerCode } from '../compiled/bcrypt-worker-code.ts';
import { RequestError } from '../request-error.ts';

/** A request to compare the password with `hash` or, if `hash` is absent, to hash the password with `cost`. */
export interface BcryptRequest {
  readonly id: number;
  readonly password: string;
  readonly hash?: string;
  readonly cost?: number;
}

export interface BcryptReply {
  readonly id: number;
  readonly result: string | boolean;
}

interface PendingRequest {
  readonly resolve: (result: string | boolean) => void;
  readonly reject: (error: Error) => void;
}

/** The maximum number of pending comparisons. Together they take some seconds. */
const MAX_PENDING = 128;

/**
 * Runs bcrypt in a worker thread, so that it does not block the event loop. The first request starts the thread, which
 * keeps the process alive only while requests are pending.
 */
export class Bcrypt {
  readonly #pending = new Map<number, PendingRequest>();
  #worker: Worker | undefined;
  #lastId = 0;

  /**
   * Returns whether the password matches the hash.
   * @throws RequestError 429 if too many comparisons are pending
   */
  async compare(password: string, hash: string): Promise<boolean> {
    if (this.#pending.size >= MAX_PENDING) {
      const message = 'too many pending logins: try again in a few seconds';
      throw new RequestError(429, { code: 'TOOMANYREQUESTS', message }, { 'retry-after': '2' });
    }
    return (await this.#send({ password, hash })) === true;
  }

  async hash(password: string, cost: number): Promise<string> {
    return String(await this.#send({ password, cost }));
  }

  /** Terminates the thread and rejects pending requests. */
  async close(): Promise<void> {
    this.#rejectAll(new RequestError(503, { code: 'UNAVAILABLE', message: 'the registry is shutting down' }));
    await this.#worker?.terminate();
  }

  #send(request: Omit<BcryptRequest, 'id'>): Promise<string | boolean> {
    const worker = (this.#worker ??= this.#start());
    this.#lastId += 1;
    const id = this.#lastId;
    worker.ref();
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      worker.postMessage({ ...request, id } satisfies BcryptRequest);
    });
  }

  #start(): Worker {
    // Without `execArgv: []`, the thread would inherit options such as `--input-type=module`, which change how the code
    // is loaded.
    const worker = new Worker(workerCode, { eval: true, execArgv: [] });
    worker.on('message', ({ id, result }: BcryptReply) => {
      this.#pending.get(id)?.resolve(result);
      this.#pending.delete(id);
      if (this.#pending.size === 0) worker.unref();
    });
    worker.on('error', (error) => this.#rejectAll(error));
    worker.on('exit', (code) => {
      this.#worker = undefined;
      this.#rejectAll(new Error(`the bcrypt thread exited with code ${code}`));
    });
    return worker;
  }

  #rejectAll(error: Error): void {
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }
}
