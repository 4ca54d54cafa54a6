import { Limiter } from '../../async/limiter.ts';
import { getOrCreate } from '../../async/single-flight.ts';
import { formatReference, repositoryName, type Reference } from '../../oci/reference.ts';
import { MlistError } from '../../errors/errors.ts';
import { Authorizer } from './auth/auth.ts';
import { SentBlobs } from './blobs/mount.ts';
import { Connection } from './connection.ts';
import { loginNotAllowed, withoutLogin, writeNotAllowed } from './credentials/allowed-registries.ts';
import type { Credentials, CredentialsSource } from './credentials/credentials.ts';
import { useOf, type Contact, type HostUse } from './host-use.ts';
import { Endpoint } from './http/endpoint.ts';
import { ConnectionPool } from './http/connection-pool.ts';
import { tokenSender } from './auth/token-request.ts';
import { defaults, MIRROR_LIMIT_MS, type RegistryOptions } from './registry-options.ts';
import { isAuthenticating, type ConfiguredEndpoint } from './mirrors/mirror-endpoint.ts';
import { MirrorHealth } from './mirrors/mirror-health.ts';
import { MirroredSources, type SourceRepository } from './mirrors/mirrored-sources.ts';
import { CANCEL_MS } from './blobs/upload.ts';
import { PendingSteps } from '../../async/pending.ts';
import { OpenUploads } from './blobs/open-uploads.ts';
import { UploadSlots } from './blobs/upload-slots.ts';
import { apiHost } from './http/address.ts';
import { probeRegistry, type RegistryProbe } from './probe.ts';
import { Repository } from './repository.ts';
import { pullFrom, pushTo, type Scope } from './auth/scope.ts';
import { SecretRedactor } from '../../errors/redact.ts';
import { ABORT_DELAY_MS, HttpClient } from './http/http-client.ts';
import { WriteGate } from './write-gate.ts';
import type { HostCertificates } from './http/certificates.ts';
import { ConfiguredAuthorities } from './http/authorities.ts';
import type { ServerCertificate } from './http/tls.ts';
import type { TrustOptions } from './http/trust-store.ts';
import type { ReadingOptions } from './mirrors/configuration-files.ts';
import type { RegistryConfiguration } from './mirrors/registry-configuration.ts';

export interface SessionOptions extends RegistryOptions {
  /** The `User-Agent` header. */
  readonly userAgent: string;
  /** Environment variables, which configure proxies and certificate files. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A repository that the command will use. */
export interface ExpectedRepository {
  readonly reference: Reference;
  /** Whether the command will write to it. */
  readonly push: boolean;
}

interface Registry {
  readonly connection: Connection;
  readonly sentBlobs: SentBlobs;
}

/** The registries that one command uses, with their connections, tokens and limits. */
export class RegistrySession {
  readonly #options: SessionOptions;
  readonly #registries = new Map<string, Registry>();
  readonly #repositories = new Map<string, Repository>();
  readonly #secrets = new SecretRedactor();
  readonly #pool: ConnectionPool;
  readonly #authorities: ConfiguredAuthorities;
  /**
   * Pools for mirrors and for hosts with their own certificates, keyed by these certificates. Mirrors without their own
   * certificates share the pool whose key is undefined.
   */
  readonly #otherPools = new Map<HostCertificates | undefined, ConnectionPool>();
  readonly #sources: MirroredSources | undefined;
  /** The names of the repositories that the command writes to. */
  readonly #written = new Set<string>();
  readonly #contacts: Contact[] = [];
  readonly #warned = new Set<string>();
  readonly #steps = new PendingSteps();
  readonly #uploads = new OpenUploads();
  readonly #closed = new AbortController();
  /** Aborts when the command is aborted or the session is closed. */
  readonly #signal: AbortSignal;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#signal = AbortSignal.any([this.#closed.signal, ...(options.signal === undefined ? [] : [options.signal])]);
    const { caFile, env, waiting } = options;
    const onWarning = (message: string) => this.#warn(message);
    this.#authorities = new ConfiguredAuthorities({ caFile, env, signal: this.#signal, waiting, onWarning });
    this.#pool = this.#createPool(options.timeoutMs ?? defaults.timeoutMs, undefined);
    const { mirrors } = options;
    if (mirrors !== undefined) this.#sources = this.#createSources(mirrors);
  }

  /**
   * Announces the repositories that the command will use, so that their requests can share tokens. Repositories that
   * the command will write to are not read from mirrors.
   */
  expect(repositories: readonly ExpectedRepository[]): void {
    for (const { reference, push } of repositories) {
      const scope = push ? pushTo(reference.path) : pullFrom(reference.path);
      if (push) this.bypassMirrors(reference);
      this.#registry(reference.domain).connection.expect([scope]);
    }
  }

  /** Makes this session read a repository from the registry itself, because this or a later command writes to it. */
  bypassMirrors(reference: Reference): void {
    this.#written.add(repositoryName(reference));
  }

  /** Returns the repository on the registry itself, for writes, and for reads that a write depends on. */
  repository(reference: Reference): Repository {
    const { domain, path, digest, tag } = reference;
    const create = () => new Repository({ ...this.#registry(domain), domain, path });
    const repository = getOrCreate(this.#repositories, repositoryName(reference), create);
    if (digest !== undefined && tag !== undefined) repository.learn(digest, tag);
    return repository;
  }

  /**
   * Returns the repository for reads. If it has mirrors and the command does not write to it, reads use the mirrors.
   * @throws MlistError `ERR_MLIST_CONFIGURATION` if a configuration file is invalid; `ERR_MLIST_BLOCKED` if a
   * configuration file blocks the repository
   */
  async source(reference: Reference): Promise<SourceRepository> {
    const registry = this.repository(reference);
    if (this.#sources === undefined || this.#written.has(repositoryName(reference))) return registry;
    return this.#sources.open(registry, reference);
  }

  /**
   * Returns the host of the mirror from which the tag of a reference was read; undefined if no mirror was used, or
   * if the registry has confirmed the tag.
   */
  mirrorOf(reference: Reference): string | undefined {
    return this.#sources?.mirrorOf(formatReference(reference));
  }

  /**
   * Checks that a repository may be written to.
   * @throws MlistError `ERR_MLIST_BLOCKED` if its registry is not one of the allowed registries
   */
  requireWritable({ domain, path }: Pick<Reference, 'domain' | 'path'>): void {
    if (!this.#isAllowed(domain)) throw writeNotAllowed(domain, `${domain}/${path}`);
  }

  /** Whether a registry is one of the allowed registries, which may receive credentials. */
  allowsLogin(domain: string): boolean {
    return this.#isAllowed(domain);
  }

  /** Describes each host for which this session has created a `Connection`, even if no request was sent to the host. */
  async hosts(): Promise<readonly HostUse[]> {
    const uses = await Promise.all(this.#contacts.map(useOf));
    return uses.sort((left, right) => sortKey(left).localeCompare(sortKey(right)));
  }

  /** Frees the memory of a repository that is not used any more. */
  forget(reference: Reference): void {
    this.#repositories.delete(repositoryName(reference));
    this.#sources?.forget(repositoryName(reference));
  }

  /**
   * Checks whether a registry accepts these credentials.
   * @returns `accepted`, or `unasked` if the registry requires no login and has therefore not checked the credentials
   * @throws MlistError `ERR_MLIST_UNAUTHORIZED` if the registry refuses them; `ERR_MLIST_NOT_FOUND` if the host is not
   * a registry; `ERR_MLIST_BLOCKED` if the registry is not one of the allowed registries
   */
  async tryLogin(domain: string, credentials: Credentials, signal?: AbortSignal): Promise<'accepted' | 'unasked'> {
    if (!this.#isAllowed(domain)) throw loginNotAllowed(domain);
    const { authorizer, connection } = this.#connect({ domain, credentials: () => Promise.resolve(credentials) });
    const step = { what: 'log in to', reference: domain };
    const { status } = await connection.request(
      { step, method: 'GET', target: '/v2/', scopes: [], accept: [200, 404], signal },
      MAX_PING,
    );
    if (status === 404) {
      throw new MlistError(
        'ERR_MLIST_NOT_FOUND',
        `cannot log in to ${domain}: it is not a registry (HTTP 404 for /v2/)`,
        {
          reference: domain,
          status,
        },
      );
    }
    return authorizer.hasLearned ? 'accepted' : 'unasked';
  }

  /**
   * Sends a registry an anonymous request for `/v2/`.
   * @throws MlistError `ERR_MLIST_NETWORK` or `ERR_MLIST_TIMEOUT` if no address of the registry responds, or the error
   * of `ConnectionPool.route` if the proxy settings or certificates are invalid
   */
  probe(domain: string, signal?: AbortSignal): Promise<RegistryProbe> {
    const { endpoint, client } = this.#connect({ domain });
    const verifies = async (url: URL) => (await this.#pool.trust.forHost(url)).verify;
    return probeRegistry({ domain, endpoint, client, verifies, signal });
  }

  /** Returns the certificate that the API of a registry presents, without verifying it. */
  certificate(domain: string): Promise<ServerCertificate> {
    return this.#pool.certificate(new URL(`https://${apiHost(domain)}`));
  }

  /**
   * The steps that still wait for a registry or a token service, such as `read docker.io/library/ubuntu:22.04`, with
   * the progress of each upload and the last response to each request that is being retried.
   */
  get unanswered(): readonly string[] {
    return this.#steps.all;
  }

  /**
   * Aborts all requests. Closes all connections once the open uploads have been cancelled, or after two seconds.
   */
  async close(): Promise<void> {
    this.#closed.abort(new MlistError('ERR_MLIST_INTERRUPTED', 'the session was closed'));
    this.#registries.clear();
    this.#repositories.clear();
    await this.#uploads.ended(ABORT_DELAY_MS + CANCEL_MS);
    for (const pool of [this.#pool, ...this.#otherPools.values()]) pool.close();
  }

  #registry(domain: string): Registry {
    return getOrCreate(this.#registries, domain, () => ({
      connection: this.#connect({ domain }).connection,
      sentBlobs: new SentBlobs(),
    }));
  }

  #createSources(configuration: RegistryConfiguration): MirroredSources {
    const { timeoutMs = defaults.timeoutMs, onNote, onMirror } = this.#options;
    const note = (message: string) => this.#reportOnce(message, onNote);
    return new MirroredSources({
      configuration,
      connect: (endpoint, isMirror) =>
        this.#connect({ domain: endpoint.host, configured: endpoint, isMirror }).connection,
      isWritten: (repository) => this.#written.has(repository),
      health: new MirrorHealth(note),
      limitMs: Math.min(timeoutMs, MIRROR_LIMIT_MS),
      onMirror: (event) => onMirror?.(event),
      onNote: note,
      reading: this.#reading,
      throwIfAborted: (signal) => [signal, this.#signal].forEach((one) => one?.throwIfAborted()),
    });
  }

  #connect({ domain, credentials = this.#options.credentials, configured, isMirror = false }: ConnectTarget) {
    const { concurrency = defaults.concurrency, retries = defaults.retries, ...options } = this.#options;
    const pool = configured === undefined ? this.#pool : this.#poolFor(configured, isMirror);
    const client = new HttpClient({
      pool,
      retries,
      timeoutMs: options.timeoutMs ?? defaults.timeoutMs,
      userAgent: options.userAgent,
      secrets: this.#secrets,
      signal: this.#signal,
      onRequest: options.onRequest,
      onWarning: (message) => this.#warn(message),
      chosenBy: configured?.origin,
    });
    const endpoint = this.#endpoint(domain, pool, configured);
    const isAllowed = this.#isAllowed(domain);
    const authorizer = new Authorizer({
      registry: domain,
      credentials: async (repository) =>
        endpoint.isTrusted && isAllowed ? credentials?.(domain, repository) : undefined,
      authHosts: options.authHosts ?? [],
      secrets: this.#secrets,
      tokens: tokenSender(client, this.#steps),
    });
    for (const [name, value] of Object.entries(configured?.headers ?? {}))
      if (isAuthenticating(name)) this.#secrets.add(value);
    const connection = new Connection({
      endpoint,
      authorizer,
      client,
      requests: new Limiter(concurrency),
      maxHttp2Requests: this.#options.concurrency ?? defaults.http2Concurrency,
      uploadSlots: new UploadSlots(this.#options.concurrency),
      bodies: new Limiter(concurrency),
      writes: new WriteGate(),
      secrets: this.#secrets,
      steps: this.#steps,
      uploads: this.#uploads,
      headers: headersFor(configured, isAllowed),
      isMirror,
      withoutLogin: isAllowed ? undefined : withoutLogin(domain),
      checkAllowed: configured === undefined ? (scopes) => this.#checkAllowed(domain, scopes) : undefined,
    });
    this.#contacts.push({ host: domain, isMirror, isAllowed, authorizer });
    return { connection, authorizer, endpoint, client };
  }

  #isAllowed(domain: string): boolean {
    return this.#options.allowedRegistries?.allows(domain) ?? true;
  }

  async #checkAllowed(domain: string, scopes: readonly Scope[]): Promise<void> {
    const { mirrors } = this.#options;
    for (const { type, name, actions } of scopes) {
      if (type !== 'repository') continue;
      if (actions.some((action) => action !== 'pull')) this.requireWritable({ domain, path: name });
      await mirrors?.checkAllowed({ domain, path: name }, this.#reading);
    }
  }

  #endpoint(domain: string, pool: ConnectionPool, configured: ConfiguredEndpoint | undefined): Endpoint {
    const { plainHttp = [], insecure = false, mirrors } = this.#options;
    return new Endpoint({
      domain,
      plainHttp: plainHttp.includes(domain),
      insecure,
      hasCertificates: () => pool.trust.hasCertificates(new URL(`https://${apiHost(domain)}`)),
      scheme: configured?.scheme,
      trustsHttp: configured?.trustsHttp,
      api: configured && apiOf(configured),
      permitsInsecure: async () =>
        configured?.permitsInsecure === true || (await mirrors?.permitsInsecure(domain, this.#reading)) === true,
    });
  }

  /**
   * Returns the connection pool for a host. Mirrors have a shorter timeout, and hosts with their own certificates need
   * a separate pool.
   */
  #poolFor({ host, certificates }: ConfiguredEndpoint, isMirror: boolean): ConnectionPool {
    const { timeoutMs = defaults.timeoutMs } = this.#options;
    if (!isMirror && certificates === undefined) return this.#pool;
    const limitMs = isMirror ? Math.min(timeoutMs, MIRROR_LIMIT_MS) : timeoutMs;
    const own = certificates && { host, certificates };
    return getOrCreate(this.#otherPools, certificates, () => this.#createPool(limitMs, own));
  }

  #createPool(timeoutMs: number, hostCertificates: TrustOptions['hostCertificates']): ConnectionPool {
    const { insecure = false, http1, certificateFolders = [], env } = this.#options;
    return new ConnectionPool({
      insecure,
      http1,
      authorities: this.#authorities,
      certificateFolders,
      hostCertificates,
      env,
      secrets: this.#secrets,
      timeoutMs,
      onWarning: (message) => this.#warn(message),
    });
  }

  get #reading(): ReadingOptions {
    return { signal: this.#signal, onWarning: (message) => this.#warn(message) };
  }

  #warn(message: string): void {
    this.#reportOnce(message, this.#options.onWarning);
  }

  /** Reports a warning or note, unless the same message was reported before. */
  #reportOnce(message: string, report: ((message: string) => void) | undefined): void {
    if (this.#warned.has(message)) return;
    this.#warned.add(message);
    report?.(message);
  }
}

/** A host to connect to, and the settings for the connection. */
interface ConnectTarget {
  /** The registry as it appears in references, or the host of a mirror. */
  readonly domain: string;
  /** The source of credentials. Default: the source of the session. */
  readonly credentials?: CredentialsSource | undefined;
  /** The configured endpoint to connect to; undefined if the host is the registry itself. */
  readonly configured?: ConfiguredEndpoint | undefined;
  /** Whether the host is a mirror, which means that other hosts have the same content. Default false. */
  readonly isMirror?: boolean | undefined;
}

/** Returns a sort key that puts hosts with write access first. */
function sortKey({ access, host }: HostUse): string {
  return `${access === 'write' ? 0 : 1} ${host}`;
}

/**
 * Returns the headers that a configuration file sets for a host. If the host is not one of the allowed registries,
 * headers that authenticate are omitted, because they are credentials.
 */
function headersFor(
  configured: ConfiguredEndpoint | undefined,
  isAllowed: boolean,
): Readonly<Record<string, string>> | undefined {
  if (configured === undefined || isAllowed) return configured?.headers;
  return Object.fromEntries(Object.entries(configured.headers).filter(([name]) => !isAuthenticating(name)));
}

/** Returns the path and the query of the API on a configured host, such as `/v2?ns=docker.io`. */
function apiOf({ apiPath, namespace }: ConfiguredEndpoint): string {
  return namespace === undefined ? apiPath : `${apiPath}?${new URLSearchParams({ ns: namespace }).toString()}`;
}

/** Size limit for responses to `/v2/`. Some registries answer with an HTML page. */
const MAX_PING = 1024 * 1024;
