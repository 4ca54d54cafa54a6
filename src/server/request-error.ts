import { errorCode, MlistError } from '../errors/errors.ts';
import { IndexFullError } from '../store/layout/index-document.ts';

/** The error codes of distribution-spec v1.1.1 "Error Codes", and codes that other registries use. */
export type RegistryCode =
  | 'BLOB_UNKNOWN'
  | 'BLOB_UPLOAD_INVALID'
  | 'BLOB_UPLOAD_UNKNOWN'
  | 'DIGEST_INVALID'
  | 'MANIFEST_BLOB_UNKNOWN'
  | 'MANIFEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'SIZE_INVALID'
  | 'UNAUTHORIZED'
  | 'DENIED'
  | 'UNSUPPORTED'
  | 'PAGINATION_NUMBER_INVALID'
  | 'PRECONDITION_FAILED'
  | 'RANGE_INVALID'
  | 'TAG_INVALID'
  | 'TOOMANYREQUESTS'
  | 'UNAVAILABLE'
  | 'UNKNOWN';

/** An element of `errors` in the body of an error response. */
export interface RegistryErrorEntry {
  readonly code: RegistryCode;
  readonly message: string;
  readonly detail?: unknown;
}

export class RequestError extends Error {
  readonly status: number;
  readonly problems: readonly RegistryErrorEntry[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, problems: RegistryErrorEntry | readonly RegistryErrorEntry[], headers = {}) {
    const all = Array.isArray(problems)
      ? (problems as readonly RegistryErrorEntry[])
      : [problems as RegistryErrorEntry];
    super(all.map(({ message }) => message).join('\n'));
    this.status = status;
    this.problems = all;
    this.headers = headers;
  }
}

/**
 * Returns the result of `work`. If `work` rejects with `ERR_MLIST_NOT_FOUND`, throws the error that `toError` returns.
 * Other errors are thrown unchanged.
 */
export async function replaceNotFound<T>(work: Promise<T>, toError: () => RequestError): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof MlistError && error.code === 'ERR_MLIST_NOT_FOUND' ? toError() : error;
  }
}

/**
 * Converts any error to an error response. The messages of internal errors are omitted, because they may contain paths.
 */
export function toRequestError(thrown: unknown): RequestError {
  if (thrown instanceof RequestError) return thrown;
  if (thrown instanceof IndexFullError) {
    const message = `the repository is full: its index.json would exceed ${IndexFullError.limit}; delete tags or untagged manifests`;
    return new RequestError(507, { code: 'UNAVAILABLE', message });
  }
  const code = thrown instanceof MlistError ? thrown.code : undefined;
  if (code === 'ERR_MLIST_LOCKED') {
    const headers = { 'retry-after': '1' };
    return new RequestError(
      503,
      { code: 'UNAVAILABLE', message: 'another process has locked the repository' },
      headers,
    );
  }
  if (code === 'ERR_MLIST_AMBIGUOUS') {
    return new RequestError(404, {
      code: 'MANIFEST_UNKNOWN',
      message: 'the tag matches several manifests: use a digest',
    });
  }
  if (code === 'ERR_MLIST_DIGEST_INVALID') {
    return new RequestError(400, { code: 'DIGEST_INVALID', message: 'the digest algorithm is not supported' });
  }
  if (code === 'ERR_MLIST_CONFLICT') {
    return new RequestError(412, { code: 'PRECONDITION_FAILED', message: 'another client has changed the tag' });
  }
  if (hasSystemCode(thrown, ['EMFILE', 'ENFILE'])) {
    const headers = { 'retry-after': '1' };
    return new RequestError(503, { code: 'UNAVAILABLE', message: 'the registry has too many open files' }, headers);
  }
  if (hasSystemCode(thrown, ['ENOSPC', 'EDQUOT'])) {
    return new RequestError(507, { code: 'UNAVAILABLE', message: 'the storage of the registry is full' });
  }
  return new RequestError(500, {
    code: 'UNKNOWN',
    message: 'internal error: see the registry log for the cause',
  });
}

/** Whether the error, or an error in its chain of causes, has one of these system error codes. */
function hasSystemCode(thrown: unknown, codes: readonly string[]): boolean {
  if (codes.includes(errorCode(thrown) ?? '')) return true;
  return thrown instanceof Error && thrown.cause !== undefined && hasSystemCode(thrown.cause, codes);
}

/** Whether the registry, not the request, caused the error. Such errors are logged. */
export function isFault({ status }: RequestError, thrown: unknown): boolean {
  return status === 500 || status === 507 || (status === 503 && !(thrown instanceof RequestError));
}

export function unknownManifest(reference: string): RequestError {
  return new RequestError(404, {
    code: 'MANIFEST_UNKNOWN',
    message: 'manifest unknown to registry',
    detail: reference,
  });
}

export function unknownBlob(digest: string): RequestError {
  return new RequestError(404, { code: 'BLOB_UNKNOWN', message: 'blob unknown to registry', detail: digest });
}

export function unknownName(name: string): RequestError {
  return new RequestError(404, {
    code: 'NAME_UNKNOWN',
    message: 'repository name not known to registry',
    detail: name,
  });
}
