import { errorCode, errorMessage, MlistError } from '../../../errors/errors.ts';
import { exceedsMaxWait } from '../http/retry.ts';

/** Maximum number of records about missing content, to limit memory use. */
const MAX_MISSING = 10_000;

/**
 * Records which mirrors fail, refuse requests or lack content, so that a command does not repeat such requests. After a
 * failure, the host is not asked again; after a refusal, it is not asked again for the repository; after a 404, it is
 * not asked again for the same content.
 */
export class MirrorHealth {
  readonly #onNote: (message: string) => void;
  readonly #failed = new Set<string>();
  readonly #refused = new Set<string>();
  readonly #missing = new Set<string>();
  readonly #reportedMissing = new Set<string>();
  readonly #silentRegistries = new Set<string>();

  constructor(onNote: (message: string) => void) {
    this.#onNote = onNote;
  }

  /**
   * Whether requests for this content skip the mirror.
   * @param content - a tag, a digest, or a key for the list of tags or referrers
   */
  isSkipped(host: string, repository: string, content: string): boolean {
    return (
      this.#failed.has(host) ||
      this.#refused.has(`${host}/${repository}`) ||
      this.#missing.has(`${host}/${repository}@${content}`)
    );
  }

  /** Records and reports that a mirror did not serve content. Missing content is reported once for each host. */
  record(host: string, repository: string, content: string, thrown: unknown): void {
    const code = errorCode(thrown);
    if (code === 'ERR_MLIST_NOT_FOUND') {
      if (this.#missing.size >= MAX_MISSING) this.#missing.clear();
      this.#missing.add(`${host}/${repository}@${content}`);
      if (!this.#reportedMissing.has(host))
        this.#onNote(`mirror ${host} lacks content that was requested: ${errorMessage(thrown)}`);
      this.#reportedMissing.add(host);
      return;
    }
    const isRefusal = code === 'ERR_MLIST_UNAUTHORIZED' && !isOutage(thrown);
    if (isRefusal) this.#refused.add(`${host}/${repository}`);
    else this.#failed.add(host);
    this.#onNote(`mirror ${host} is not used${isRefusal ? ` for ${repository}` : ''}: ${errorMessage(thrown)}`);
  }

  /**
   * Whether a registry has failed with a server error (5xx) or without an HTTP status, such as after a timeout. If so,
   * mirrors are used without waiting for it.
   */
  isSilent(domain: string): boolean {
    return this.#silentRegistries.has(domain);
  }

  recordSilence(domain: string): void {
    this.#silentRegistries.add(domain);
  }
}

function isOutage(thrown: unknown): boolean {
  return thrown instanceof MlistError && exceedsMaxWait(thrown.facts);
}
