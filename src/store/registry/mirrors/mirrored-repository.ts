import { errorCode, MlistError } from '../../../errors/errors.ts';
import type { Descriptor } from '../../../oci/descriptor.ts';
import { isDigestName, type Digest } from '../../../oci/digest.ts';
import {
  contentReference,
  RepeatableReadError,
  type ContentOptions,
  type ContentReader,
  type ExistenceChecker,
  type FetchOptions,
  type ManifestContent,
  type ReferrerLister,
  type TagOrDigest,
} from '../../store.ts';
import { verified } from '../../verify.ts';
import { mismatchError } from '../blobs/verify-response.ts';
import type { MirrorEvent } from '../registry-options.ts';
import type { Repository } from '../repository.ts';
import type { Capabilities } from './mirror-endpoint.ts';
import type { MirrorHealth } from './mirror-health.ts';

/** A repository at one of the hosts that serve it. */
export interface Replica {
  readonly repository: Repository;
  readonly capabilities: Capabilities;
  /** Whether the host is a mirror or a replacement, and not the registry itself. */
  readonly isOther: boolean;
}

export interface MirroredParts {
  /** The repository at the registry itself. */
  readonly registry: Repository;
  /** The mirrors in the order in which they are asked. */
  readonly mirrors: readonly Replica[];
  /** The registry, or the host that replaces it. It is the last host that is asked for content by digest. */
  readonly last: Replica;
  /** Whether this or a later command writes to the repository. If so, it is read only from the registry itself. */
  readonly isWritten: () => boolean;
  readonly health: MirrorHealth;
  /**
   * Maximum time to wait for the registry, in milliseconds. After this time, the tag or list of a mirror is used.
   */
  readonly limitMs: number;
  readonly onMirror: (event: MirrorEvent) => void;
  readonly onNote: (message: string) => void;
  /** Throws the reason if the command or the session was aborted. */
  readonly throwIfAborted: (signal: AbortSignal | undefined) => void;
}

/** Reads from the repository on one host. */
type Read<T> = (repository: Repository, options: ContentOptions) => Promise<T>;

/**
 * Reads a repository from its mirrors and its registry. Content is read by digest from the first host that serves it,
 * and is verified. A tag is requested from a mirror and from the registry at the same time; if the registry returns a
 * digest in time, that digest is used. Lists of tags and referrers come from a mirror only if the registry is
 * unavailable or too slow.
 */
export class MirroredRepository implements ContentReader, ExistenceChecker, ReferrerLister {
  readonly #parts: MirroredParts;

  constructor(parts: MirroredParts) {
    this.#parts = parts;
  }

  get location(): string {
    return this.origin.location;
  }

  /** The repository at the registry itself. Content of a mirror can be mounted from this repository. */
  get origin(): Repository {
    return this.#parts.registry;
  }

  /**
   * Records the tag of a reference that contains both a tag and a digest, because a pull-through cache may have the
   * content only under the tag.
   */
  learn(digest: Digest, tag: string): void {
    for (const { repository, capabilities } of [...this.#parts.mirrors, this.#parts.last])
      if (capabilities.tags) repository.learn(digest, tag);
  }

  async resolve(name: TagOrDigest, options: ContentOptions = {}): Promise<Descriptor> {
    const read: Read<Descriptor> = (repository, reading) => repository.resolve(name, reading);
    if (isDigestName(name)) return this.#byDigest(name, read, options);
    const { value, confirmed } = await this.#resolveTag(name, read, (descriptor) => descriptor, options);
    return confirmed ?? value;
  }

  async fetchManifest(name: TagOrDigest, options: FetchOptions = {}): Promise<ManifestContent> {
    const { expected } = options;
    const read: Read<ManifestContent> = (repository, { signal }) =>
      repository.fetchManifest(name, { expected, signal });
    if (isDigestName(name)) return this.#byDigest(name, read, options);
    const { value, confirmed } = await this.#resolveTag(name, read, ({ descriptor }) => descriptor, options);
    if (confirmed === undefined) return value;
    return this.fetchManifest(confirmed.digest, { ...options, expected: expected ?? confirmed });
  }

  async fetchBlob(descriptor: Descriptor, options: ContentOptions = {}): Promise<Uint8Array> {
    const read: Read<Uint8Array> = (repository, reading) => repository.fetchBlob(descriptor, reading);
    return this.#byDigest(descriptor.digest, read, options);
  }

  async hasManifest(digest: Digest, options: ContentOptions = {}): Promise<boolean> {
    const read: Read<boolean> = (repository, reading) => repository.hasManifest(digest, reading);
    return this.#byDigest(digest, read, options, (has) => has);
  }

  async statedSize(descriptor: Descriptor, options: ContentOptions = {}): Promise<number | 'unknown' | undefined> {
    const read: Read<number | 'unknown' | undefined> = (repository, reading) =>
      repository.statedSize(descriptor, reading);
    return this.#byDigest(descriptor.digest, read, options, (size) => size !== undefined);
  }

  async referrers(digest: Digest, artifactType?: string, options: ContentOptions = {}): Promise<readonly Descriptor[]> {
    const read: Read<readonly Descriptor[]> = (repository, reading) =>
      repository.referrers(digest, artifactType, reading);
    const reference = contentReference(this.location, digest);
    return this.#current({ reference, content: `${digest} referrers`, capability: 'referrers' }, read, options);
  }

  /** Lists all tags, in the order of the host that serves them. */
  async *tags(options: ContentOptions = {}): AsyncGenerator<string> {
    const read: Read<AsyncIterable<string>> = (repository, reading) => started(repository.tags(reading));
    const list = { reference: this.location, content: 'tags', capability: 'tags' } as const;
    yield* await this.#current(list, read, options);
  }

  /**
   * Streams a blob. If a host fails during the download, the next host sends the rest. If mirrors have sent bytes, and
   * the blob does not match the descriptor, these mirrors are not used again, and the blob is read from the other
   * hosts. If the caller has already received bytes, the stream fails with a `RepeatableReadError` instead.
   */
  async *readBlob(descriptor: Descriptor, options: ContentOptions = {}): AsyncGenerator<Uint8Array> {
    const reference = contentReference(this.location, descriptor.digest);
    for (;;) {
      const senders = new Set<Replica>();
      let hasYielded = false;
      try {
        const bytes = this.#bytesOf(descriptor, senders, options);
        for await (const chunk of verified(descriptor, bytes, mismatchError(reference))) {
          hasYielded = true;
          yield chunk;
        }
        return;
      } catch (thrown) {
        const mirrors = [...senders].filter((replica) => !this.#isLast(replica));
        if (errorCode(thrown) !== 'ERR_MLIST_CONTENT_MISMATCH' || mirrors.length === 0) throw thrown;
        for (const mirror of mirrors) this.#record(mirror, descriptor.digest, thrown);
        if (hasYielded) throw new RepeatableReadError(thrown as MlistError);
      }
    }
  }

  /**
   * Streams a blob without verification.
   * @param senders - receives the hosts that have sent bytes
   */
  async *#bytesOf(descriptor: Descriptor, senders: Set<Replica>, options: ContentOptions): AsyncGenerator<Uint8Array> {
    let offset = 0;
    const candidates = this.#candidates('digests', descriptor.digest);
    for (const [at, replica] of candidates.entries()) {
      try {
        for await (const chunk of replica.repository.readUnverified(descriptor, offset, options)) {
          senders.add(replica);
          offset += chunk.length;
          yield chunk;
        }
        return;
      } catch (thrown) {
        this.#parts.throwIfAborted(options.signal);
        if (at === candidates.length - 1) throw thrown;
        this.#record(replica, descriptor.digest, thrown);
      }
    }
    throw this.#unserved(descriptor.digest);
  }

  /**
   * Reads content by digest from the first host that succeeds.
   * @param isFound - whether the value of a host is accepted as the result. The value of the last host is always
   * accepted. Default: all values are accepted
   */
  async #byDigest<T>(
    digest: Digest,
    read: Read<T>,
    options: ContentOptions,
    isFound?: (value: T) => boolean,
  ): Promise<T> {
    return (await this.#first(this.#candidates('digests', digest), digest, read, options, isFound)).value;
  }

  async #first<T>(
    candidates: readonly Replica[],
    content: string,
    read: Read<T>,
    options: ContentOptions,
    isFound: (value: T) => boolean = () => true,
  ): Promise<Served<T>> {
    for (const [at, replica] of candidates.entries()) {
      const isLast = at === candidates.length - 1;
      try {
        const value = await read(replica.repository, options);
        if (isLast || isFound(value)) return { value, replica };
      } catch (thrown) {
        this.#parts.throwIfAborted(options.signal);
        if (isLast) throw thrown;
        this.#record(replica, content, thrown);
      }
    }
    throw this.#unserved(content);
  }

  /**
   * Reads a tag from the first host that has it.
   * @returns the value and, if the registry has another digest for the tag, the registry's descriptor
   */
  async #resolveTag<T>(
    tag: string,
    read: Read<T>,
    descriptorOf: (value: T) => Descriptor,
    options: ContentOptions,
  ): Promise<{ readonly value: T; readonly confirmed?: Descriptor }> {
    const candidates = this.#candidates('tags', tag);
    const confirming = candidates.some((replica) => !this.#isLast(replica)) ? this.#confirm(tag, options) : undefined;
    const { value, replica } = await this.#first(candidates, tag, read, options);
    const confirmed = this.#isLast(replica) ? undefined : await confirming;
    const reference = contentReference(this.location, tag);
    if (confirmed === undefined) {
      this.#reportMirror(reference, replica);
      return { value };
    }
    const { digest } = descriptorOf(value);
    if (confirmed.digest === digest) return { value };
    const { domain } = replica.repository;
    this.#parts.onNote(
      `mirror ${domain} has ${digest} for ${reference}, but the registry has ${confirmed.digest}; using the digest of the registry`,
    );
    return { value, confirmed };
  }

  /** Returns the registry's descriptor for a tag; undefined if the registry does not return one in time. */
  async #confirm(tag: string, options: ContentOptions): Promise<Descriptor | undefined> {
    if (!this.#parts.last.capabilities.tags) return undefined;
    try {
      return await this.#readInTime((repository, reading) => repository.resolve(tag, reading), options);
    } catch {
      return undefined;
    }
  }

  /**
   * Reads a list that changes over time: from the registry if it responds in time, else from the first mirror that has
   * the list, else from the registry without a time limit.
   */
  async #current<T extends object>(
    { reference, content, capability }: CurrentList,
    read: Read<T>,
    options: ContentOptions,
  ): Promise<T> {
    const { registry, last, isWritten } = this.#parts;
    if (isWritten()) return read(registry, options);
    const mirrors = this.#parts.mirrors.filter(({ capabilities }) => capabilities[capability]);
    const list = mirrors.length === 0 ? undefined : await this.#readInTime(read, options);
    if (list !== undefined) return list;
    const candidates = [...mirrors.filter((mirror) => !this.#isSkipped(mirror, content)), last];
    const { value, replica } = await this.#first(candidates, content, read, options);
    this.#reportMirror(reference, replica);
    return value;
  }

  /**
   * Reads from the registry, or from the host that replaces it, within the time limit. Returns undefined after a server
   * error (5xx), and after a failure without an HTTP status, such as a timeout. The command then does not wait for this
   * host again.
   * @throws MlistError for any other error response, such as a 404
   */
  async #readInTime<T>(read: Read<T>, options: ContentOptions): Promise<T | undefined> {
    const { health, last, throwIfAborted } = this.#parts;
    const { domain } = last.repository;
    if (health.isSilent(domain)) return undefined;
    try {
      return await this.#withinLimit(last.repository, read, options);
    } catch (thrown) {
      throwIfAborted(options.signal);
      if (isAnswer(thrown)) throw thrown;
      health.recordSilence(domain);
      return undefined;
    }
  }

  async #withinLimit<T>(repository: Repository, read: Read<T>, { signal }: ContentOptions): Promise<T> {
    const limit = new AbortController();
    const { limitMs } = this.#parts;
    const message = `no response from ${repository.domain} within ${limitMs} ms`;
    const abort = () => limit.abort(new MlistError('ERR_MLIST_TIMEOUT', message));
    const timer = setTimeout(abort, limitMs);
    try {
      return await read(repository, {
        signal: signal === undefined ? limit.signal : AbortSignal.any([signal, limit.signal]),
      });
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Returns the hosts to ask for content, in order. Omits hosts without the capability, and mirrors that `MirrorHealth`
   * skips. If `isWritten` returns true, returns only the registry.
   */
  #candidates(capability: keyof Capabilities, content: string): readonly Replica[] {
    const { registry, mirrors, last, isWritten } = this.#parts;
    if (isWritten()) return [{ repository: registry, capabilities: last.capabilities, isOther: false }];
    return [...mirrors, last].filter(
      (replica) => replica.capabilities[capability] && (this.#isLast(replica) || !this.#isSkipped(replica, content)),
    );
  }

  #isLast(replica: Replica): boolean {
    return replica === this.#parts.last || replica.repository === this.#parts.registry;
  }

  #isSkipped({ repository: { domain, path } }: Replica, content: string): boolean {
    return this.#parts.health.isSkipped(domain, path, content);
  }

  #record({ repository: { domain, path } }: Replica, content: string, thrown: unknown): void {
    this.#parts.health.record(domain, path, content, thrown);
  }

  #reportMirror(reference: string, { isOther, repository }: Replica): void {
    if (isOther) this.#parts.onMirror({ reference, mirror: repository.domain });
  }

  #unserved(content: string): MlistError {
    const reference = contentReference(this.location, content);
    const message = `cannot read ${reference}: no configured host has the capability to serve it`;
    const hint = 'Check "capabilities" in the hosts.toml for the registry.';
    return new MlistError('ERR_MLIST_CONFIGURATION', message, { reference, hint });
  }
}

/** A value, and the host that it was read from. */
interface Served<T> {
  readonly value: T;
  readonly replica: Replica;
}

/** A list that changes over time: the tags or the referrers. */
interface CurrentList {
  readonly reference: string;
  /** Identifies the list for `MirrorHealth`. */
  readonly content: string;
  readonly capability: 'tags' | 'referrers';
}

/** Whether an error is a conclusive response, such as a 404, and not a server error (5xx) or a failed connection. */
function isAnswer(thrown: unknown): boolean {
  const status = thrown instanceof MlistError ? thrown.facts.status : undefined;
  return status !== undefined && status < 500;
}

/**
 * Waits for the first item, so that an error of the first request is thrown by this call and not during the iteration.
 */
async function started(items: AsyncIterable<string>): Promise<AsyncIterable<string>> {
  const iterator = items[Symbol.asyncIterator]();
  const first = await iterator.next();
  return (async function* () {
    if (first.done === true) return;
    yield first.value;
    yield* { [Symbol.asyncIterator]: () => iterator };
  })();
}
