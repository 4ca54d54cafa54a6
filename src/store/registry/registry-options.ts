import type { CredentialsSource } from './credentials/credentials.ts';
import type { RateLimit } from './http/response-headers.ts';
import type { ReportPending } from '../../async/pending.ts';

/** How registries are talked to. Everything has a default. */
export interface RegistryOptions {
  /** Requests under way at once for each registry. Default 32. */
  readonly concurrency?: number | undefined;
  /** Further tries of a step that may be repeated. Default 4. */
  readonly retries?: number | undefined;
  /** Milliseconds without a sign of life after which a request is given up. Default 30 000. */
  readonly timeoutMs?: number | undefined;
  /** Do not verify TLS certificates, and fall back to http. Default false. */
  readonly insecure?: boolean | undefined;
  /** Registries, as written in references, that are spoken to over http. */
  readonly plainHttp?: readonly string[] | undefined;
  /** File with certificates (PEM) that are trusted beside the system's. */
  readonly caFile?: string | undefined;
  /** Folders with a folder of certificates for each host (`certs.d`); the first that has one counts. Default: none. */
  readonly certificateFolders?: readonly string[] | undefined;
  /** Registries and the token services that may see their credentials, where mlist cannot tell by itself. */
  readonly authHosts?: readonly AuthHost[] | undefined;
  /** Where credentials come from. Default: none, anonymous. */
  readonly credentials?: CredentialsSource | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Reports that a file, which may be a pipe, is being read. Default: not reported. */
  readonly waiting?: ReportPending | undefined;
  /** Told of what should be known and stops nothing, such as a registry's own warnings; each text once. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Told of every request, for `--debug`; nothing in it is secret. */
  readonly onRequest?: ((event: RequestEvent) => void) | undefined;
}

export interface AuthHost {
  readonly registry: string;
  readonly host: string;
}

/** One HTTP exchange. */
export interface RequestEvent {
  readonly type: 'request';
  readonly method: string;
  /** Without query values that may be secret. */
  readonly url: string;
  /** HTTP status; undefined where no answer came. */
  readonly status?: number | undefined;
  readonly milliseconds: number;
  /** Why the request failed. */
  readonly note?: string | undefined;
  /** What may still be asked of this registry, where it says so. */
  readonly rateLimit?: RateLimit | undefined;
}

export const defaults = { concurrency: 32, retries: 4, timeoutMs: 30_000 } as const;
