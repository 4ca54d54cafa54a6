import type { Step } from '../../async/pending.ts';
import type { Scope } from './auth/scope.ts';
import { apiUrl } from './http/address.ts';
import type { DocumentRequest } from './http/document-request.ts';
import type { HttpResponse } from './http/response.ts';

/** A request to a registry. `Connection` adds the base address and the authorization. */
export interface RegistryRequest {
  /** Describes the request in error messages. */
  readonly step: Step;
  readonly method: DocumentRequest['method'];
  /** An API path such as `/v2/NAME/tags/list?n=1000`, or an absolute address that the registry has sent. */
  readonly target: string | URL;
  /** The scopes that a token must have for the request. */
  readonly scopes: readonly Scope[];
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** The body. If it is a function, each call must return the same bytes. */
  readonly body?: Uint8Array | (() => AsyncIterable<Uint8Array>) | undefined;
  /** Accepted statuses. Any other status is an error. */
  readonly accept: readonly number[];
  /** Statuses that are also accepted after a retry if the registry may have processed an earlier attempt. */
  readonly acceptAgain?: readonly number[] | undefined;
  /**
   * Whether the request is retried if the registry may have processed it. Default: true, except for POST and PATCH. A
   * request that the registry has not processed is retried in any case.
   */
  readonly repeatable?: boolean | undefined;
  /** Maximum number of retries. Default: `Connection.retries`. */
  readonly retries?: number | undefined;
  /** Whether the request uploads, mounts or queries a blob; see `HttpRequest`. Default false. */
  readonly isForBlob?: boolean | undefined;
  /** Whether the request writes a manifest. `WriteGate` limits concurrent manifest writes. Default false. */
  readonly isManifestWrite?: boolean | undefined;
  /** Milliseconds that are added to the timeout of the response. */
  readonly extraTimeoutMs?: number | undefined;
  /** Whether the request opens an upload, which has to be cancelled after an abort. Default false. */
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

/** An accepted response whose body is streamed. */
export interface RegistryStream extends Omit<RegistryResponse, 'bytes'> {
  readonly body: AsyncIterable<Uint8Array>;
  /**
   * Releases the response. Must be called even if the body was read to its end, because other requests may wait for the
   * slot that this response holds.
   */
  readonly discard: () => void;
}

/**
 * Sends a request and reads the response.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if the body is longer than `maxBytes`
 */
export type SendRequest = (request: RegistryRequest, maxBytes: number) => Promise<RegistryResponse>;

export function isConditional({ headers = {} }: RegistryRequest): boolean {
  return 'if-match' in headers || 'if-none-match' in headers;
}

export function urlOf({ target }: RegistryRequest, base: URL): URL {
  return typeof target === 'string' ? apiUrl(target, base) : target;
}
