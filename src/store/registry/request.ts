import type { Step } from '../../async/pending.ts';
import type { Scope } from './auth/scope.ts';
import { apiUrl } from './http/address.ts';
import type { DocumentRequest } from './http/document-request.ts';
import type { HttpResponse } from './http/response.ts';

/** A request to a registry, before it has a login and a base address. */
export interface RegistryRequest {
  /** Names the request in errors. */
  readonly step: Step;
  readonly method: DocumentRequest['method'];
  /** A path with a query, relative to the registry's origin, or an absolute address that the registry has sent. */
  readonly target: string | URL;
  /** The scopes that a token for the request needs. */
  readonly scopes: readonly Scope[];
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** The body. If it is a function, each call must return the same bytes. */
  readonly body?: Uint8Array | (() => AsyncIterable<Uint8Array>) | undefined;
  /** Accepted statuses. Any other status is an error. */
  readonly accept: readonly number[];
  /** Statuses that are also accepted after a retry, if the registry may have processed the first request. */
  readonly acceptAgain?: readonly number[] | undefined;
  /**
   * Whether the request is retried if the registry may have processed it. Default: true, except for POST and PATCH. A
   * request that the registry has not processed is retried in any case.
   */
  readonly repeatable?: boolean | undefined;
  /** Maximum number of retries. Default: that of the session. */
  readonly retries?: number | undefined;
  /** Whether the request is part of an upload or a mount; see `HttpRequest`. Default false. */
  readonly isUpload?: boolean | undefined;
  /** Whether the request writes a manifest. The `WriteGate` limits concurrent ones. Default false. */
  readonly isManifestWrite?: boolean | undefined;
  /** Milliseconds that are added to the timeout of the response. */
  readonly extraTimeoutMs?: number | undefined;
  /** Whether the response opens an upload, which has to be cancelled after an abort. Default false. */
  readonly opensUpload?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An accepted response whose body has been read. */
export interface RegistryResponse {
  readonly status: number;
  readonly headers: HttpResponse['headers'];
  /** The address that sent the response, after redirects. */
  readonly url: URL;
  readonly bytes: Uint8Array;
}

/** An accepted response with a body of any length. */
export interface RegistryStream extends Omit<RegistryResponse, 'bytes'> {
  readonly body: AsyncIterable<Uint8Array>;
  /**
   * Releases the response. Must be called even if the body was read to its end, because other bodies may wait for this
   * one.
   */
  readonly discard: () => void;
}

/** Sends a request and reads at most `maxBytes` bytes of the response. */
export type SendRequest = (request: RegistryRequest, maxBytes: number) => Promise<RegistryResponse>;

export function isConditional({ headers = {} }: RegistryRequest): boolean {
  return 'if-match' in headers || 'if-none-match' in headers;
}

export function urlOf({ target }: RegistryRequest, base: URL): URL {
  return typeof target === 'string' ? apiUrl(target, base) : target;
}
