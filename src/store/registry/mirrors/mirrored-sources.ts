import { getOrCreate } from '../../../async/single-flight.ts';
import { repositoryName, type Reference } from '../../../oci/reference.ts';
import type { ContentOptions, ReadStore } from '../../store.ts';
import { SentBlobs } from '../blobs/mount.ts';
import type { Connection } from '../connection.ts';
import type { MirrorEvent } from '../registry-options.ts';
import { Repository } from '../repository.ts';
import type { ReadingOptions } from './configuration-files.ts';
import { isHostOf, type ConfiguredEndpoint } from './mirror-endpoint.ts';
import { MirroredRepository, type MirroredParts, type Replica } from './mirrored-repository.ts';
import type { RegistryConfiguration } from './registry-configuration.ts';
import type { Endpoints } from './select-endpoints.ts';

/** A repository to read from: at the registry itself, or at the hosts that are configured for it. */
export type SourceRepository = ReadStore & {
  readonly tags: (options?: ContentOptions) => AsyncIterable<string>;
};

export interface MirroredSourcesParts extends Pick<MirroredParts, 'health' | 'limitMs' | 'onNote' | 'throwIfAborted'> {
  readonly configuration: RegistryConfiguration;
  readonly connect: (endpoint: ConfiguredEndpoint, isMirror: boolean) => Connection;
  /**
   * Whether this or a later command writes to a repository.
   * @param repository - `domain/path`
   */
  readonly isWritten: (repository: string) => boolean;
  readonly onMirror: (event: MirrorEvent) => void;
  /** Options for reading the configuration files. */
  readonly reading: ReadingOptions;
}

/**
 * Opens repositories for reading at the hosts that are configured for them. Repositories at the same host, with the
 * same settings, share a connection.
 */
export class MirroredSources {
  readonly #parts: MirroredSourcesParts;
  readonly #sources = new Map<string, Promise<SourceRepository>>();
  /** The connections, keyed by the settings that they depend on. */
  readonly #connections = new Map<string, Connection>();
  /** The hosts that have served a tag, a list of tags or referrers instead of the registry, keyed by reference. */
  readonly #mirrors = new Map<string, string>();

  constructor(parts: MirroredSourcesParts) {
    this.#parts = parts;
  }

  /**
   * Opens a repository for reading.
   * @throws MlistError `ERR_MLIST_CONFIGURATION` if a configuration file is invalid; `ERR_MLIST_BLOCKED` if one blocks
   * the repository
   */
  async open(registry: Repository, reference: Reference): Promise<SourceRepository> {
    const source = await getOrCreate(this.#sources, repositoryName(reference), () => this.#open(registry));
    const { digest, tag } = reference;
    if (source instanceof MirroredRepository && digest !== undefined && tag !== undefined) source.learn(digest, tag);
    return source;
  }

  /** Frees the memory of a repository that is no longer used. */
  forget(repository: string): void {
    this.#sources.delete(repository);
  }

  mirrorOf(reference: string): string | undefined {
    return this.#mirrors.get(reference);
  }

  async #open(registry: Repository): Promise<SourceRepository> {
    const { configuration, reading, isWritten } = this.#parts;
    await configuration.checkAllowed(registry, reading);
    const endpoints = await configuration.endpointsOf(registry, reading);
    const replicas = endpoints.map((endpoint, at) => this.#replica(registry, endpoint, at < endpoints.length - 1));
    const last = replicas.pop();
    if (last === undefined) return registry;
    return new MirroredRepository({
      ...this.#parts,
      registry,
      mirrors: replicas,
      last,
      isWritten: () => isWritten(registry.location),
      onMirror: (event) => this.#report(event),
    });
  }

  #replica(registry: Repository, endpoint: Endpoints[number], isMirror: boolean): Replica {
    const { capabilities } = endpoint;
    if (endpoint.kind === 'registry') return { repository: registry, capabilities, isOther: false };
    const { host, repository, origin, scheme, apiPath, namespace, permitsInsecure, headers, certificates } = endpoint;
    const settings = [host, origin, scheme, apiPath, namespace, permitsInsecure, headers, certificates, isMirror];
    const connect = () => this.#parts.connect(endpoint, isMirror);
    const connection = getOrCreate(this.#connections, JSON.stringify(settings), connect);
    const parts = { connection, sentBlobs: new SentBlobs(), domain: host, path: repository };
    return { repository: new Repository(parts), capabilities, isOther: !isHostOf(host, registry.domain) };
  }

  #report(event: MirrorEvent): void {
    const { reference, mirror } = event;
    if (this.#mirrors.get(reference) === mirror) return;
    this.#mirrors.set(reference, mirror);
    this.#parts.onMirror(event);
  }
}
