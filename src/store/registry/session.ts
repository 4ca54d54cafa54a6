import { Limiter } from '../../async/limiter.ts';
import { getOrCreate } from '../../async/single-flight.ts';
import { repositoryName, type Reference } from '../../oci/reference.ts';
import { MlistError } from '../../errors/errors.ts';
import { Authorizer } from './auth/auth.ts';
import { SentBlobs } from './blobs/mount.ts';
import { Connection } from './connection.ts';
import type { Credentials, CredentialsSource } from './credentials/credentials.ts';
import { Endpoint } from './http/endpoint.ts';
import { ConnectionPool } from './http/connection-pool.ts';
import { tokenSender } from './auth/token-request.ts';
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

export interface SessionOptions extends RegistryOptions {
  /** The `User-Agent` header. */
  readonly userAgent: string;
  /** Environment variables. Proxies and certificate files are read from them. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A repository that the command will use. */
export interface Access {
  readonly reference: Reference;
  /** Whether the command will write to it. */
  readonly push: boolean;
}

interface Registry {
  readonly connection: Connection;
  readonly sentBlobs: SentBlobs;
}

/** The registries that one command uses: their connections, logins and limits. */
export class RegistrySession {
  readonly #options: SessionOptions;
  readonly #registries = new Map<string, Registry>();
  readonly #repositories = new Map<string, Repository>();
  readonly #secrets = new SecretRedactor();
  readonly #pool: ConnectionPool;
  readonly #warned = new Set<string>();
  readonly #steps = new PendingSteps();
  readonly #uploads = new OpenUploads();
  readonly #closed = new AbortController();
  /** Aborts with the command and when the session is closed. */
  readonly #signal: AbortSignal;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#signal = AbortSignal.any([this.#closed.signal, ...(options.signal === undefined ? [] : [options.signal])]);
    this.#pool = new ConnectionPool({
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

  /** Announces the repositories that the command will use, so that one token covers them. */
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

  /** Frees the memory of a repository that is not used any more. */
  forget(reference: Reference): void {
    this.#repositories.delete(repositoryName(reference));
  }

  /**
   * Checks whether a registry accepts these credentials.
   * @returns `unasked` if the registry does not require a login, so that they were not checked
   * @throws MlistError `ERR_MLIST_UNAUTHORIZED` if it refuses them, `ERR_MLIST_NOT_FOUND` if it is not a registry
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
   * The steps that registries and token services have not answered yet, such as `read docker.io/library/ubuntu:22.04`, with
   * the progress of uploads and the last responses to requests that are retried.
   */
  get unanswered(): readonly string[] {
    return this.#steps.all;
  }

  /**
   * Closes all connections. Requests that are running fail without a retry. Uploads have two seconds to cancel themselves
   * at the registry.
   */
  async close(): Promise<void> {
    this.#closed.abort(new MlistError('ERR_MLIST_INTERRUPTED', 'the session was closed'));
    this.#registries.clear();
    this.#repositories.clear();
    await this.#uploads.ended(ABORT_DELAY_MS + CANCEL_MS);
    this.#pool.close();
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
    const client = new HttpClient({
      pool: this.#pool,
      retries,
      timeoutMs: options.timeoutMs ?? defaults.timeoutMs,
      userAgent: options.userAgent,
      secrets: this.#secrets,
      signal: this.#signal,
      onRequest: options.onRequest,
      onWarning: (message) => this.#warn(message),
    });
    const authorizer = new Authorizer({
      registry: domain,
      credentials: (repository) => credentials(domain, repository),
      authHosts: options.authHosts ?? [],
      secrets: this.#secrets,
      tokens: tokenSender(client, this.#steps),
    });
    const connection = new Connection({
      endpoint: this.#endpoint(domain),
      authorizer,
      client,
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
    const hasCertificates = () => this.#pool.trust.hasCertificates(new URL(`https://${apiHost(domain)}`));
    return new Endpoint({ domain, plainHttp: isPlain, insecure, hasCertificates });
  }

  /** Reports each warning once. */
  #warn(message: string): void {
    if (this.#warned.has(message)) return;
    this.#warned.add(message);
    this.#options.onWarning?.(message);
  }
}

/** Some registries answer with an HTML page. */
const MAX_PING = 1024 * 1024;
