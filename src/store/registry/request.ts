import type { HttpResponse } from './http/response.ts';
import type { Step } from '../../async/pending.ts';
import type { Scope } from './auth/scope.ts';
import type { DocumentRequest } from './http/document-exchange.ts';

/** What is asked of the registry. */
export interface RegistryRequest {
  readonly step: Step;
  readonly method: DocumentRequest['method'];
  /** Path and query below the registry's origin, or a whole address that the registry gave. */
  readonly target: string | URL;
  readonly scopes: readonly Scope[];
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** A function gives the same bytes each time it is called. */
  readonly body?: Uint8Array | (() => AsyncIterable<Uint8Array>) | undefined;
  /** Statuses that are answers; any other is an error. */
  readonly accept: readonly number[];
  /** Statuses that are answers, too, where nobody knows what became of the request when it was sent before. */
  readonly acceptAgain?: readonly number[] | undefined;
  /**
   * Whether the same request may be sent again where nobody knows what became of it. Default: not for POST and PATCH.
   * Where the registry did not begin on it, it is sent again in any case.
   */
  readonly repeatable?: boolean | undefined;
  /** Further tries. Default: what the session says. */
  readonly retries?: number | undefined;
  /** A step of an upload or a mount: dozens at once, and each is sooner sent beside got than by it. */
  readonly isUpload?: boolean | undefined;
  /** Writes a manifest: counted and limited by the `WriteGate`. */
  readonly isManifestWrite?: boolean | undefined;
  readonly extraTimeoutMs?: number | undefined;
  /** An answer opens an upload, which has to be cancelled if the work is aborted meanwhile. */
  readonly opensUpload?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface RegistryResponse {
  readonly status: number;
  readonly headers: HttpResponse['headers'];
  /** Address that answered in the end, after redirects. */
  readonly url: URL;
  readonly bytes: Uint8Array;
}

export interface RegistryStream extends Omit<RegistryResponse, 'bytes'> {
  readonly body: AsyncIterable<Uint8Array>;
  readonly discard: () => void;
}

/** Sends requests from a place that is held already. */
export type SendRequest = (call: RegistryRequest, most: number) => Promise<RegistryResponse>;

export function isConditional({ headers = {} }: RegistryRequest): boolean {
  return 'if-match' in headers || 'if-none-match' in headers;
}

export function urlOf({ target }: RegistryRequest, base: URL): URL {
  return typeof target === 'string' ? new URL(target, base) : target;
}

/** 307 and 308 may be followed by any method; the older ones would turn a POST into a GET. */
export function isRedirect(status: number, { method }: RegistryRequest): boolean {
  const isReading = method === 'GET' || method === 'HEAD';
  return (isReading && [301, 302, 303].includes(status)) || status === 307 || status === 308;
}
