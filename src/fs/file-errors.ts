import { errorCode, errorMessage, MlistError } from '../errors/errors.ts';

interface Reason {
  readonly reason: string;
  readonly hint?: string;
}

const denied: Reason = { reason: 'it is not permitted', hint: 'Check who owns it, and who may write there.' };
const reasons: Readonly<Record<string, Reason>> = {
  ENOSPC: { reason: 'the disk is full', hint: 'Free some space, or write elsewhere.' },
  EDQUOT: { reason: 'the quota of the disk is used up', hint: 'Free some space, or write elsewhere.' },
  EFBIG: {
    reason: 'the limit of the size of a file is reached',
    hint: 'Raise the limit ("ulimit -f"), or write elsewhere.',
  },
  EROFS: { reason: 'the file system is read-only', hint: 'Write elsewhere.' },
  EISDIR: { reason: 'a folder is in its place', hint: 'Write elsewhere, or remove the folder.' },
  EEXIST: { reason: 'something else is in its place', hint: 'Write elsewhere, or remove what is there.' },
  ENOTDIR: { reason: 'something on its path is no folder', hint: 'Check the path.' },
  ENOENT: { reason: 'there is no such folder', hint: 'Check the path.' },
  ELOOP: { reason: 'its links lead in a circle', hint: 'Check the path.' },
  ENAMETOOLONG: { reason: 'its name is too long', hint: 'Take a shorter one.' },
  EMFILE: { reason: 'this process has too many files open', hint: 'Raise its limit, such as with "ulimit -n".' },
  ENFILE: { reason: 'the system has too many files open' },
  EACCES: denied,
  EPERM: denied,
};

/** Whether a file could not be opened because too many others are open: that reports nothing about the file itself. */
export function isExhausted(thrown: unknown): boolean {
  return ['EMFILE', 'ENFILE'].includes(errorCode(thrown) ?? '');
}

/**
 * Says of a failed write what could not be written and why; the system's own error names neither where a file is
 * already open.
 */
export function writeFailure(path: string, thrown: unknown): MlistError {
  if (thrown instanceof MlistError) return thrown;
  const code = errorCode(thrown) ?? '';
  const { reason, hint } = reasons[code] ?? { reason: errorMessage(thrown), hint: undefined };
  const suffix = code in reasons ? ` (${code})` : '';
  return new MlistError('ERR_MLIST_FILE', `cannot write ${path}: ${reason}${suffix}`, { path, hint, cause: thrown });
}

const readReasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a folder',
  ENOTDIR: 'something on its path is no folder',
  EACCES: 'its permissions do not allow it',
  ELOOP: 'its links lead in a circle',
  EMFILE: 'this process has too many files open',
  ENAMETOOLONG: 'its name is too long',
  ENFILE: 'the system has too many files open',
};

/** Why a file cannot be read, in words where the system's own say little. */
export function readReason(thrown: unknown): string {
  const code = errorCode(thrown) ?? '';
  return (Object.hasOwn(readReasons, code) ? readReasons[code] : undefined) ?? errorMessage(thrown);
}

/** Says of a failed read which file it was and why: `ERR_MLIST_NOT_FOUND` where there is none, else `ERR_MLIST_FILE`. */
export function readFailure(path: string, thrown: unknown): MlistError {
  if (thrown instanceof MlistError) return thrown;
  const code = errorCode(thrown) === 'ENOENT' ? 'ERR_MLIST_NOT_FOUND' : 'ERR_MLIST_FILE';
  return new MlistError(code, `cannot read ${path}: ${readReason(thrown)}`, { path, cause: thrown });
}

/** The same of a file that the user has named: a folder in its place is also `ERR_MLIST_NOT_FOUND`. */
export function inputFailure(name: string, thrown: unknown): MlistError {
  const failure = readFailure(name, thrown);
  if (errorCode(thrown) !== 'EISDIR') return failure;
  return new MlistError('ERR_MLIST_NOT_FOUND', failure.message, failure.facts);
}
