import type { AllowedRegistries } from './credentials/allowed-registries.ts';
import type { CredentialsSource } from './credentials/credentials.ts';
import type { RateLimit } from './http/rate-limit.ts';
import type { ReportPending } from '../../async/pending.ts';
import type { RegistryConfiguration } from './mirrors/registry-configuration.ts';

/** Options for requests to registries. */
export interface RegistryOptions {
  /**
   * Maximum number of concurrent requests to each registry. Default 32, or 100 if the registry uses HTTP/2. By default,
   * blobs of 1 MiB or more have an additional limit: 6 to 24 of them are uploaded concurrently, depending on their size.
   */
  readonly concurrency?: number | undefined;
  /** Maximum number of retries of a failed request. Default 4. */
  readonly retries?: number | undefined;
  /** Milliseconds without any data after which a request fails. Default 30 000. */
  readonly timeoutMs?: number | undefined;
  /** Whether to skip the verification of TLS certificates and to fall back to http. Default false. */
  readonly insecure?: boolean | undefined;
  /** Registries that are accessed over http, as they appear in references. */
  readonly plainHttp?: readonly string[] | undefined;
  /** Whether to use HTTP/1.1 even if a server supports HTTP/2. Default false. */
  readonly http1?: boolean | undefined;
  /** A PEM file with CA certificates to trust in addition to the CA certificates of Node and the system. */
  readonly caFile?: string | undefined;
  /**
   * `certs.d` folders, which contain certificates in subfolders named after hosts. The first readable subfolder for a
   * host is used. Default: none.
   */
  readonly certificateFolders?: readonly string[] | undefined;
  /** Token services that may receive the credentials of a registry, although mlist does not trust them by default. */
  readonly authHosts?: readonly AuthHost[] | undefined;
  /** The source of credentials. Default: all requests are anonymous. */
  readonly credentials?: CredentialsSource | undefined;
  /**
   * The registries that may receive credentials or be written to. All others are only read, anonymously. Default: all
   * registries.
   */
  readonly allowedRegistries?: AllowedRegistries | undefined;
  /**
   * The mirrors of registries, and the blocked registries. Mirrors are used only for repositories that are not written
   * to. Default: none.
   */
  readonly mirrors?: RegistryConfiguration | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Reports each read of a file as pending while it runs, because a file may be a slow pipe. Default: not reported. */
  readonly waiting?: ReportPending | undefined;
  /** Receives warnings, for example from the `Warning` header of a response. Each message is reported once. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Receives notes about mirrors that are skipped, lack content or differ from the registry. Each is reported once. */
  readonly onNote?: ((message: string) => void) | undefined;
  /**
   * Called after a tag, a list of tags or a list of referrers was read from a mirror, if the registry has not confirmed
   * it.
   */
  readonly onMirror?: ((event: MirrorEvent) => void) | undefined;
  /** Called after each request, for `--debug`. The events contain no secrets. */
  readonly onRequest?: ((event: RequestEvent) => void) | undefined;
}

/** A registry, and the host of a token service that may receive its credentials. */
export interface AuthHost {
  readonly registry: string;
  readonly host: string;
}

/** Content that comes from a mirror and cannot be verified by a digest: a tag, or a list of tags or referrers. */
export interface MirrorEvent {
  /** The reference, with the name of the registry instead of the mirror. */
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
  /** `HTTP/2`; undefined for HTTP/1.1, or if there was no response. */
  readonly protocol?: string | undefined;
  /** The error code if there was no response, such as `ECONNRESET`; `failed` if the error has no code. */
  readonly note?: string | undefined;
  /** The rate limit, if the registry has reported one. */
  readonly rateLimit?: RateLimit | undefined;
  /** The setting that chose the host, such as `/etc/docker/daemon.json, registry-mirrors`. */
  readonly chosenBy?: string | undefined;
}

export const defaults = { concurrency: 32, http2Concurrency: 100, retries: 4, timeoutMs: 30_000 } as const;

/**
 * Timeout in milliseconds for connecting to a mirror. Also the maximum time to wait for the registry before the tag or
 * list of a mirror is used.
 */
export const MIRROR_LIMIT_MS = 3_000;
