import { randomUUID } from 'node:crypto';
import { SerialQueue } from '../async/serial-queue.ts';
import type { Limits } from './limits/server-limits.ts';
import { RequestError } from './request-error.ts';
import type { Upload } from './storage.ts';

type UploadLimits = Pick<Limits, 'openUploads' | 'uploadIdleMs'>;

/** The number of seconds after which a client should retry if too many uploads are open. */
const RETRY_AFTER_S = 5;

export interface UploadSession {
  readonly id: string;
  readonly name: string;
  readonly upload: Upload;
  /** Serializes the requests for this upload. */
  readonly queue: SerialQueue;
}

interface Entry {
  readonly session: UploadSession;
  /** The number of requests that use the upload or wait for it. */
  users: number;
  lastUsed: number;
  /** Whether the upload was cancelled because its repository is being deleted. */
  isCancelled: boolean;
}

/**
 * The uploads in progress (distribution-spec v1.1.1 "Pushing blobs"). They are discarded when the registry is closed.
 */
export class UploadSessions {
  readonly #sessions = new Map<string, Entry>();
  readonly #limits: UploadLimits;
  readonly #timer: NodeJS.Timeout;
  /** The number of uploads that are being created. */
  #beginning = 0;

  constructor(limits: UploadLimits) {
    this.#limits = limits;
    this.#timer = setInterval(() => void this.removeIdle(), Math.min(limits.uploadIdleMs / 4, 60_000));
    this.#timer.unref();
  }

  /**
   * Starts an upload.
   * @throws RequestError 429 if too many uploads are open
   */
  async begin(name: string, stage: () => Promise<Upload>): Promise<UploadSession> {
    const { openUploads } = this.#limits;
    if (this.#sessions.size + this.#beginning >= openUploads) {
      const message = `too many open uploads: the registry allows at most ${openUploads}`;
      const headers = { 'retry-after': String(RETRY_AFTER_S) };
      throw new RequestError(429, { code: 'TOOMANYREQUESTS', message }, headers);
    }
    this.#beginning += 1;
    try {
      const session = { id: randomUUID(), name, upload: await stage(), queue: new SerialQueue() };
      this.#sessions.set(session.id, { session, users: 0, lastUsed: performance.now(), isCancelled: false });
      return session;
    } finally {
      this.#beginning -= 1;
    }
  }

  /**
   * Runs `work` after all earlier work with the same upload, and returns its result. Returns undefined if the
   * repository has no such upload, or if `work` failed because the repository was deleted.
   */
  async use<T>(name: string, id: string, work: (session: UploadSession) => Promise<T>): Promise<T | undefined> {
    const entry = this.#sessions.get(id);
    if (entry?.session.name !== name) return undefined;
    entry.users += 1;
    try {
      return await entry.session.queue.run(async () =>
        this.#sessions.get(id) === entry ? await work(entry.session) : undefined,
      );
    } catch (error) {
      if (entry.isCancelled) return undefined;
      throw error;
    } finally {
      entry.users -= 1;
      entry.lastUsed = performance.now();
    }
  }

  /**
   * Removes an upload after it was completed, cancelled or refused. Bytes that were not stored as a blob are discarded.
   */
  async end({ id, upload }: UploadSession): Promise<void> {
    if (this.#sessions.delete(id)) await upload.discard();
  }

  get open(): number {
    return this.#sessions.size;
  }

  /** Counts the uploads that have a running request, or whose last request ended less than `milliseconds` ago. */
  active(milliseconds: number): number {
    const limit = performance.now() - milliseconds;
    return [...this.#sessions.values()].filter(({ users, lastUsed }) => users > 0 || lastUsed > limit).length;
  }

  /** Cancels all uploads to a repository. Their running requests fail. */
  async endAll(name: string): Promise<void> {
    const found = [...this.#sessions.values()].filter(({ session }) => session.name === name);
    for (const entry of found) entry.isCancelled = true;
    await Promise.all(found.map(({ session }) => this.end(session)));
  }

  async removeIdle(): Promise<void> {
    const limit = performance.now() - this.#limits.uploadIdleMs;
    const idle = [...this.#sessions.values()].filter(({ users, lastUsed }) => users === 0 && lastUsed < limit);
    await Promise.all(idle.map(({ session }) => this.end(session)));
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all([...this.#sessions.values()].map(({ session }) => this.end(session)));
  }
}
