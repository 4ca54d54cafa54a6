import { randomUUID } from 'node:crypto';
import { SerialQueue } from '../async/serial-queue.ts';
import type { Upload } from './storage.ts';

/** Uploads are removed after this time without requests. */
const IDLE_MS = 60 * 60 * 1000;

export interface UploadSession {
  readonly id: string;
  readonly name: string;
  readonly upload: Upload;
  /** Serializes the requests for this upload. */
  readonly queue: SerialQueue;
}

/** The uploads in progress (distribution-spec v1.1.1 "Pushing blobs"). They are removed when the registry is closed. */
export class UploadSessions {
  readonly #sessions = new Map<string, { readonly session: UploadSession; users: number; lastUsed: number }>();
  readonly #idleMs: number;
  readonly #timer: NodeJS.Timeout;

  constructor(idleMs = IDLE_MS) {
    this.#idleMs = idleMs;
    this.#timer = setInterval(() => void this.removeIdle(), Math.min(idleMs / 4, 60_000));
    this.#timer.unref();
  }

  begin(name: string, upload: Upload): UploadSession {
    const session = { id: randomUUID(), name, upload, queue: new SerialQueue() };
    this.#sessions.set(session.id, { session, users: 0, lastUsed: performance.now() });
    return session;
  }

  /** Runs the work after all earlier work on the upload. Returns undefined if the upload does not exist any more. */
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
      entry.lastUsed = performance.now();
    }
  }

  /** Removes an upload that was completed or cancelled. */
  async end({ id, upload }: UploadSession): Promise<void> {
    if (this.#sessions.delete(id)) await upload.discard();
  }

  get open(): number {
    return this.#sessions.size;
  }

  /** The number of uploads with a request that is running, or that ended less than `milliseconds` ago. */
  active(milliseconds: number): number {
    const limit = performance.now() - milliseconds;
    return [...this.#sessions.values()].filter(({ users, lastUsed }) => users > 0 || lastUsed > limit).length;
  }

  /** Removes the uploads to a repository. */
  async endAll(name: string): Promise<void> {
    const found = [...this.#sessions.values()].filter(({ session }) => session.name === name);
    await Promise.all(found.map(({ session }) => this.end(session)));
  }

  async removeIdle(): Promise<void> {
    const limit = performance.now() - this.#idleMs;
    const idle = [...this.#sessions.values()].filter(({ users, lastUsed }) => users === 0 && lastUsed < limit);
    await Promise.all(idle.map(({ session }) => this.end(session)));
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all([...this.#sessions.values()].map(({ session }) => this.end(session)));
  }
}
