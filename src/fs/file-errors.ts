import { errorCode, errorMessage, MlistError } from '../errors/errors.ts';
import { systemErrors } from '../errors/system-errors.ts';

/** Whether the error means that too many files are open. Such an error says nothing about the file itself. */
export function isExhausted(thrown: unknown): boolean {
  return ['EMFILE', 'ENFILE'].includes(errorCode(thrown) ?? '');
}

/** Whether the error means that the path does not exist, or that one of its parents is not a folder. */
export function isNotFound(thrown: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(errorCode(thrown) ?? '');
}

/**
 * Creates the error for a failed write. Adds the path, which is missing from Node's error if the file was already open.
 * Returns an MlistError unchanged.
 */
export function writeFailure(path: string, thrown: unknown): MlistError {
  if (thrown instanceof MlistError) return thrown;
  return new MlistError('ERR_MLIST_FILE', `cannot write ${path}: ${writeReason(thrown)}`, {
    path,
    hint: systemErrors.get(errorCode(thrown) ?? '')?.hint,
    cause: thrown,
  });
}

/** Returns the reason for a failed write, with Node's code if it is known: `no such file or directory (ENOENT)`. */
export function writeReason(thrown: unknown): string {
  const code = errorCode(thrown) ?? '';
  return systemErrors.has(code) ? `${readReason(thrown)} (${code})` : errorMessage(thrown);
}

/** Returns the reason for a failed read, for the message `cannot read FILE: REASON`. */
export function readReason(thrown: unknown): string {
  return systemErrors.get(errorCode(thrown) ?? '')?.reason ?? errorMessage(thrown);
}

/**
 * Creates the error for a failed read: `ERR_MLIST_NOT_FOUND` if the file does not exist, otherwise `ERR_MLIST_FILE`.
 * Returns an MlistError unchanged.
 */
export function readFailure(path: string, thrown: unknown): MlistError {
  if (thrown instanceof MlistError) return thrown;
  const code = errorCode(thrown) === 'ENOENT' ? 'ERR_MLIST_NOT_FOUND' : 'ERR_MLIST_FILE';
  return new MlistError(code, `cannot read ${path}: ${readReason(thrown)}`, { path, cause: thrown });
}

/**
 * Creates the error for a failed read of a file that the user named: `ERR_MLIST_NOT_FOUND` if the path is a folder,
 * otherwise the error of `readFailure`.
 */
export function inputFailure(name: string, thrown: unknown): MlistError {
  const failure = readFailure(name, thrown);
  if (errorCode(thrown) !== 'EISDIR') return failure;
  return new MlistError('ERR_MLIST_NOT_FOUND', failure.message, failure.facts);
}
