import { randomUUID } from 'node:crypto';
import { SerialQueue } from '../async/serial-queue.ts';
import type { Upload } from './storage.ts';

/** An upload that nobody adds to is given up after this long. */
const IDLE_MS = 60 * 60 * 1000;

export interface UploadSession {
  readonly id: string;
  /** The repository's name. */
  readonly name: string;
  readonly upload: Upload;
  /** Requests for one upload wait for each other. */
  readonly queue: SerialQueue;
}

/** The uploads under way (distribution-spec v1.1.1 "Pushing blobs"). They do not outlive the registry. */
export class UploadSessions {
  readonly #sessions = new Map<string, { readonly session: UploadSession; users: number; touched: number }>();
  readonly #idleMs: number;
  readonly #timer: NodeJS.Timeout;

  constructor(idleMs = IDLE_MS) {
    this.#idleMs = idleMs;
    this.#timer = setInterval(() => void this.sweep(), Math.min(idleMs / 4, 60_000));
    this.#timer.unref();
  }

  begin(name: string, upload: Upload): UploadSession {
    const session = { id: randomUUID(), name, upload, queue: new SerialQueue() };
    this.#sessions.set(session.id, { session, users: 0, touched: performance.now() });
    return session;
  }

  /** Runs the work once all earlier work on the upload is done; undefined where there is no such upload any more. */
  async use<T>(name: string, id: string, work: (session: UploadSession) => Promise<T>): Promise<T | undefined> {
    const entry = this.#sessions.get(id);
    if (entry?.session.name !== name) return undefined;
    entry.users += 1;
    try {
      return await entry.session.queue.run(async () =>
        this.#sessions.get(id) === entry ? await work(entry.session) : undefined,
      );
    } finally {
      entry.users -= 1;
      entry.touched = performance.now();
    }
  }

  /** The upload became a blob, or never will: nothing of it stays. */
  async end({ id, upload }: UploadSession): Promise<void> {
    if (this.#sessions.delete(id)) await upload.discard();
  }

  /** Gives up what nobody has touched for too long. */
  async sweep(): Promise<void> {
    const limit = performance.now() - this.#idleMs;
    const idle = [...this.#sessions.values()].filter(({ users, touched }) => users === 0 && touched < limit);
    await Promise.all(idle.map(({ session }) => this.end(session)));
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all([...this.#sessions.values()].map(({ session }) => this.end(session)));
  }
}
