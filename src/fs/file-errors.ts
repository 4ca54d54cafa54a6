import { errorCode, errorMessage, MlistError } from '../errors/errors.ts';
import { systemErrors } from '../errors/system-errors.ts';

/**
 * Whether the file could not be opened because too many files are open, so that the error is not about the file itself.
 */
export function isExhausted(thrown: unknown): boolean {
  return ['EMFILE', 'ENFILE'].includes(errorCode(thrown) ?? '');
}

/** Whether a path does not exist, or one of its parents is not a folder. */
export function isNotFound(thrown: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(errorCode(thrown) ?? '');
}

/** The error for a failed write. It names the file: Node's own error does not if the file was already open. */
export function writeFailure(path: string, thrown: unknown): MlistError {
  if (thrown instanceof MlistError) return thrown;
  const code = errorCode(thrown) ?? '';
  const known = systemErrors.get(code);
  const reason = known === undefined ? errorMessage(thrown) : `${known.reason} (${code})`;
  return new MlistError('ERR_MLIST_FILE', `cannot write ${path}: ${reason}`, {
    path,
    hint: known?.hint,
    cause: thrown,
  });
}

/** Why a file cannot be read. */
export function readReason(thrown: unknown): string {
  return systemErrors.get(errorCode(thrown) ?? '')?.reason ?? errorMessage(thrown);
}

/** The error for a failed read: `ERR_MLIST_NOT_FOUND` if the file does not exist, else `ERR_MLIST_FILE`. */
export function readFailure(path: string, thrown: unknown): MlistError {
  if (thrown instanceof MlistError) return thrown;
  const code = errorCode(thrown) === 'ENOENT' ? 'ERR_MLIST_NOT_FOUND' : 'ERR_MLIST_FILE';
  return new MlistError(code, `cannot read ${path}: ${readReason(thrown)}`, { path, cause: thrown });
}

/**
 * The error for a failed read of a file that the user named: like `readFailure`, but `ERR_MLIST_NOT_FOUND` for a
 * folder, too.
 */
export function inputFailure(name: string, thrown: unknown): MlistError {
  const failure = readFailure(name, thrown);
  if (errorCode(thrown) !== 'EISDIR') return failure;
  return new MlistError('ERR_MLIST_NOT_FOUND', failure.message, failure.facts);
}
