import type { AllowedRegistries } from './credentials/allowed-registries.ts';
import type { CredentialsSource } from './credentials/credentials.ts';
import type { RateLimit } from './http/rate-limit.ts';
import type { ReportPending } from '../../async/pending.ts';
import type { RegistryConfiguration } from './mirrors/registry-configuration.ts';

/** Options for requests to registries. */
export interface RegistryOptions {
  /** Number of concurrent requests to each registry. Default 32, or 100 if the registry uses HTTP/2. */
  readonly concurrency?: number | undefined;
  /** Maximum number of retries of a failed request that may be repeated. Default 4. */
  readonly retries?: number | undefined;
  /** Milliseconds without any data after which a request fails. Default 30 000. */
  readonly timeoutMs?: number | undefined;
  /** Whether to skip the verification of TLS certificates and to fall back to http. Default false. */
  readonly insecure?: boolean | undefined;
  /** The registries, as references name them, that are accessed over http. */
  readonly plainHttp?: readonly string[] | undefined;
  /** Whether to use HTTP/1.1 even if a server supports HTTP/2. Default false. */
  readonly http1?: boolean | undefined;
  /** A PEM file with certificate authorities that are trusted in addition to those of the system. */
  readonly caFile?: string | undefined;
  /**
   * `certs.d` folders, which have a folder for each host. The first one with a folder for a host is used. Default:
   * none.
   */
  readonly certificateFolders?: readonly string[] | undefined;
  /** Token services that may receive a registry's credentials although mlist does not trust them by default. */
  readonly authHosts?: readonly AuthHost[] | undefined;
  /** The source of credentials. Default: all requests are anonymous. */
  readonly credentials?: CredentialsSource | undefined;
  /** The registries that may receive a login or be written to; all others are only read, anonymously. Default: all. */
  readonly allowedRegistries?: AllowedRegistries | undefined;
  /** Mirrors, which are used for repositories that are only read, and blocked registries. Default: none. */
  readonly mirrors?: RegistryConfiguration | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Reports as pending that a file is being read, which may take long if it is a pipe. Default: not reported. */
  readonly waiting?: ReportPending | undefined;
  /** Receives warnings, such as those that a registry sends. Each text is reported once. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Receives notes about mirrors that are not used. Each text is reported once. */
  readonly onNote?: ((message: string) => void) | undefined;
  /** Receives an event for content of a mirror that the registry has not confirmed. */
  readonly onMirror?: ((event: MirrorEvent) => void) | undefined;
  /** Receives every request, for `--debug`. The events contain no secrets. */
  readonly onRequest?: ((event: RequestEvent) => void) | undefined;
}

/** A registry, and the host of a token service that may receive its credentials. */
export interface AuthHost {
  readonly registry: string;
  readonly host: string;
}

/** Content that comes from a mirror and cannot be verified by a digest: a tag, or a list of tags or referrers. */
export interface MirrorEvent {
  /** The reference, with the registry's own name. */
  readonly reference: string;
  /** The host of the mirror. */
  readonly mirror: string;
}

/** One HTTP request and its result. */
export interface RequestEvent {
  readonly type: 'request';
  readonly method: string;
  /** The URL, without query values that may be secret. */
  readonly url: string;
  /** The HTTP status; undefined if there was no response. */
  readonly status?: number | undefined;
  readonly milliseconds: number;
  /** The protocol `HTTP/2`; undefined for HTTP/1.1, or if there was no response. */
  readonly protocol?: string | undefined;
  /** Why the request failed. */
  readonly note?: string | undefined;
  /** The rate limit that the registry reports, if any. */
  readonly rateLimit?: RateLimit | undefined;
  /** The rule of a configuration file that chose the host, such as `/etc/docker/daemon.json, registry-mirrors`. */
  readonly chosenBy?: string | undefined;
}

export const defaults = { concurrency: 32, http2Concurrency: 100, retries: 4, timeoutMs: 30_000 } as const;

/**
 * Milliseconds to wait for a connection to a mirror, and to wait for the registry to confirm the content of a mirror.
 */
export const MIRROR_LIMIT_MS = 3_000;
