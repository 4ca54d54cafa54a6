import { repositoryName, type Reference } from '../../oci/reference.ts';
import { Authorizer } from './auth.ts';
import { Connection } from './connection.ts';
import type { Credentials } from './credentials.ts';
import { Endpoint } from './endpoint.ts';
import { Limiter } from './limiter.ts';
import { defaults, type RegistryOptions } from './options.ts';
import { apiHost } from './origin.ts';
import { Repository } from './repository.ts';
import { Secrets } from './secrets.ts';
import { agentsFor } from './tls.ts';
import type { Agents } from './transport.ts';
import { Wire } from './wire.ts';

/** What one command does with registries: connections, logins and limits that its parts share. */
export interface SessionOptions extends RegistryOptions {
  /** `User-Agent`. */
  readonly userAgent: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A repository that the command will work on. */
export interface Access {
  readonly reference: Reference;
  readonly push: boolean;
}

export class RegistrySession {
  readonly #options: SessionOptions;
  readonly #connections = new Map<string, { readonly connection: Connection; readonly agents: Agents }>();
  readonly #repositories = new Map<string, Repository>();
  readonly #secrets = new Secrets();

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** Tells beforehand what the command will work on: one token then serves all of it. */
  expect(accesses: readonly Access[]): void {
    for (const { reference, push } of accesses) {
      this.#connectionTo(reference.domain).expect([{ repository: reference.path, push }]);
    }
  }

  repository(reference: Reference): Repository {
    const name = repositoryName(reference);
    let repository = this.#repositories.get(name);
    if (repository === undefined) {
      repository = new Repository(this.#connectionTo(reference.domain), reference.domain, reference.path);
      this.#repositories.set(name, repository);
    }
    return repository;
  }

  /** Closes all connections; requests that are under way fail. */
  close(): void {
    for (const { agents } of this.#connections.values()) {
      agents.http.destroy();
      agents.https.destroy();
    }
    this.#connections.clear();
    this.#repositories.clear();
  }

  #connectionTo(domain: string): Connection {
    const known = this.#connections.get(domain);
    if (known !== undefined) return known.connection;
    const made = this.#connect(domain);
    this.#connections.set(domain, made);
    return made.connection;
  }

  #connect(domain: string): { readonly connection: Connection; readonly agents: Agents } {
    const options = this.#options;
    const insecure = options.insecure ?? false;
    const concurrency = options.concurrency ?? defaults.concurrency;
    const { hostname } = new URL(`http://${apiHost(domain)}`);
    const agents = agentsFor({ hostname, concurrency, insecure, caFile: options.caFile, env: options.env });
    const plainHttp = options.plainHttp?.includes(domain) ?? false;
    const { retries = defaults.retries, timeoutMs = defaults.timeoutMs, userAgent, signal, onRequest } = options;
    const wire = new Wire({ agents, retries, timeoutMs, userAgent, signal, onRequest });
    const connection = new Connection({
      endpoint: new Endpoint({ domain, plainHttp, insecure, hasCertificates: options.caFile !== undefined }),
      authorizer: this.#authorizerOf(domain, wire),
      wire,
      limiter: new Limiter(concurrency),
      secrets: this.#secrets,
    });
    return { connection, agents };
  }

  #authorizerOf(domain: string, wire: Wire): Authorizer {
    let found: Promise<Credentials | undefined> | undefined;
    return new Authorizer({
      registry: domain,
      credentials: () => (found ??= this.#options.credentials?.(domain) ?? Promise.resolve(undefined)),
      authHosts: this.#options.authHosts ?? [],
      secrets: this.#secrets,
      send: wire.tokenSender(),
    });
  }
}
