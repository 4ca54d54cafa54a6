import { Limiter } from '../../async/limiter.ts';
import { getOrCreate } from '../../async/single-flight.ts';
import { repositoryName, type Reference } from '../../oci/reference.ts';
import { MlistError } from '../../errors/errors.ts';
import { Authorizer } from './auth/auth.ts';
import { SentBlobs } from './blobs/mount.ts';
import { Connection } from './connection.ts';
import type { Credentials, CredentialsSource } from './credentials/credentials.ts';
import { Endpoint } from './http/registry-address.ts';
import { ConnectionPool } from './http/network.ts';
import { defaults, type RegistryOptions } from './registry-options.ts';
import { CANCEL_MS } from './blobs/upload.ts';
import { PendingSteps } from '../../async/pending.ts';
import { OpenUploads } from './blobs/open-uploads.ts';
import { apiHost } from './http/address.ts';
import { Repository } from './repository.ts';
import { pullFrom, pushTo } from './auth/scope.ts';
import { SecretRedactor } from '../../errors/redact.ts';
import { ABORT_DELAY_MS, HttpClient } from './http/http-client.ts';
import { WriteGate } from './write-gate.ts';

/** What one command does with registries: connections, logins and limits that its parts share. */
export interface SessionOptions extends RegistryOptions {
  /** `User-Agent`. */
  readonly userAgent: string;
  /** Proxies and further authorities are read from it. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A repository that the command will work on. */
export interface Access {
  readonly reference: Reference;
  readonly push: boolean;
}

interface Registry {
  readonly connection: Connection;
  readonly sentBlobs: SentBlobs;
}

export class RegistrySession {
  readonly #options: SessionOptions;
  readonly #registries = new Map<string, Registry>();
  readonly #repositories = new Map<string, Repository>();
  readonly #secrets = new SecretRedactor();
  readonly #network: ConnectionPool;
  readonly #warned = new Set<string>();
  readonly #steps = new PendingSteps();
  readonly #uploads = new OpenUploads();
  readonly #closed = new AbortController();
  /** Aborts with the command, and when the session is closed. */
  readonly #signal: AbortSignal;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#signal = AbortSignal.any([this.#closed.signal, ...(options.signal === undefined ? [] : [options.signal])]);
    this.#network = new ConnectionPool({
      insecure: options.insecure ?? false,
      caFile: options.caFile,
      certificateFolders: options.certificateFolders ?? [],
      env: options.env,
      signal: this.#signal,
      secrets: this.#secrets,
      timeoutMs: options.timeoutMs ?? defaults.timeoutMs,
      waiting: options.waiting,
      onWarning: (message) => this.#warn(message),
    });
  }

  /** Tells beforehand what the command will work on: one token then serves all of it. */
  expect(accesses: readonly Access[]): void {
    for (const { reference, push } of accesses) {
      const scope = push ? pushTo(reference.path) : pullFrom(reference.path);
      this.#registry(reference.domain).connection.expect([scope]);
    }
  }

  repository(reference: Reference): Repository {
    const { domain, path, digest, tag } = reference;
    const create = () => new Repository({ ...this.#registry(domain), domain, path });
    const repository = getOrCreate(this.#repositories, repositoryName(reference), create);
    if (digest !== undefined && tag !== undefined) repository.learn(digest, tag);
    return repository;
  }

  /** Lets go of what is known of a repository that no more will be asked for: its reads, and the names seen there. */
  forget(reference: Reference): void {
    this.#repositories.delete(repositoryName(reference));
  }

  /**
   * Logs in with these credentials, to see whether the registry takes them.
   * @returns `unasked` where the registry lets everybody in, so that nothing was proved
   * @throws MlistError `ERR_MLIST_UNAUTHORIZED` where it refuses them, `ERR_MLIST_NOT_FOUND` where it is no registry
   */
  async tryLogin(domain: string, credentials: Credentials, signal?: AbortSignal): Promise<'accepted' | 'unasked'> {
    const { authorizer, connection } = this.#connect(domain, () => Promise.resolve(credentials));
    const step = { what: 'log in to', reference: domain };
    const { status } = await connection.request(
      { step, method: 'GET', target: '/v2/', scopes: [], accept: [200, 404], signal },
      MAX_PING,
    );
    if (status === 404) {
      throw new MlistError('ERR_MLIST_NOT_FOUND', `${domain} does not answer as a registry does (HTTP 404 to /v2/)`, {
        reference: domain,
        status,
      });
    }
    return authorizer.hasLearned ? 'accepted' : 'unasked';
  }

  /**
   * What registries and token services have not answered yet, as in `read docker.io/library/ubuntu:22.04`, with the
   * progress of uploads and the last answers to requests that are retried.
   */
  get unanswered(): readonly string[] {
    return this.#steps.all;
  }

  /**
   * Closes all connections. Requests that are under way fail, and are not tried again; uploads have a moment to be
   * cancelled.
   */
  async close(): Promise<void> {
    this.#closed.abort(new MlistError('ERR_MLIST_INTERRUPTED', 'nobody waits for the answer any more'));
    this.#registries.clear();
    this.#repositories.clear();
    await this.#uploads.ended(ABORT_DELAY_MS + CANCEL_MS);
    this.#network.close();
  }

  #registry(domain: string): Registry {
    const credentials: CredentialsSource = this.#options.credentials ?? (() => Promise.resolve(undefined));
    return getOrCreate(this.#registries, domain, () => ({
      connection: this.#connect(domain, credentials).connection,
      sentBlobs: new SentBlobs(),
    }));
  }

  #connect(domain: string, credentials: CredentialsSource) {
    const { concurrency = defaults.concurrency, retries = defaults.retries, ...options } = this.#options;
    const wire = new HttpClient({
      pool: this.#network,
      retries,
      timeoutMs: options.timeoutMs ?? defaults.timeoutMs,
      userAgent: options.userAgent,
      secrets: this.#secrets,
      steps: this.#steps,
      signal: this.#signal,
      onRequest: options.onRequest,
      onWarning: (message) => this.#warn(message),
    });
    const authorizer = new Authorizer({
      registry: domain,
      credentials: (repository) => credentials(domain, repository),
      authHosts: options.authHosts ?? [],
      secrets: this.#secrets,
      tokens: wire.tokenSender(),
    });
    const connection = new Connection({
      endpoint: this.#endpoint(domain),
      authorizer,
      client: wire,
      requests: new Limiter(concurrency),
      bodies: new Limiter(concurrency),
      writes: new WriteGate(),
      secrets: this.#secrets,
      steps: this.#steps,
      uploads: this.#uploads,
    });
    return { connection, authorizer };
  }

  #endpoint(domain: string): Endpoint {
    const { plainHttp = [], insecure = false } = this.#options;
    const isPlain = plainHttp.includes(domain);
    const hasCertificates = () => this.#network.trust.hasCertificates(new URL(`https://${apiHost(domain)}`));
    return new Endpoint({ domain, plainHttp: isPlain, insecure, hasCertificates });
  }

  /** Each warning once, however many requests it comes with. */
  #warn(message: string): void {
    if (this.#warned.has(message)) return;
    this.#warned.add(message);
    this.#options.onWarning?.(message);
  }
}

/** Some answer with a page for people. */
const MAX_PING = 1024 * 1024;
