import { errorCode, errorMessage, MlistError } from '../../../errors/errors.ts';
import { exceedsMaxWait } from '../http/retry.ts';

/** Limits the memory for content that mirrors lack. */
const MAX_MISSING = 10_000;

/**
 * What a command knows about the hosts that serve content: which ones fail, and what they lack. A host that fails is not asked
 * again. A refusal is remembered for its repository, missing content for that content only.
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

  /** @param content - a tag or digest */
  isSkipped(host: string, repository: string, content: string): boolean {
    return (
      this.#failed.has(host) ||
      this.#refused.has(`${host}/${repository}`) ||
      this.#missing.has(`${host}/${repository}@${content}`)
    );
  }

  /** Records why a mirror did not serve content, and reports each host once. */
  record(host: string, repository: string, content: string, thrown: unknown): void {
    const code = errorCode(thrown);
    if (code === 'ERR_MLIST_NOT_FOUND') {
      if (this.#missing.size >= MAX_MISSING) this.#missing.clear();
      this.#missing.add(`${host}/${repository}@${content}`);
      if (!this.#reportedMissing.has(host)) this.#onNote(`mirror ${host} lacks content: ${errorMessage(thrown)}`);
      this.#reportedMissing.add(host);
      return;
    }
    const isRefusal = code === 'ERR_MLIST_UNAUTHORIZED' && !isOutage(thrown);
    if (isRefusal) this.#refused.add(`${host}/${repository}`);
    else this.#failed.add(host);
    this.#onNote(`mirror ${host} is not used: ${errorMessage(thrown)}`);
  }

  /** Whether the registry has not answered in time, so that it is not asked again to confirm what mirrors have. */
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
