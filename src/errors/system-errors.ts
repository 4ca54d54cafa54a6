/** The description of a system error in messages. */
export interface SystemErrorText {
  /** The reason, as in `cannot write FILE: REASON`. */
  readonly reason: string;
  /** The next step after a failed write. */
  readonly hint?: string;
}

const denied: SystemErrorText = {
  reason: 'permission denied',
  hint: 'Check the owner and the permissions of the file and its folder.',
};

/** Descriptions of file errors, keyed by Node's error code. */
export const systemErrors: ReadonlyMap<string, SystemErrorText> = new Map([
  ['EACCES', denied],
  ['EDQUOT', { reason: 'the disk quota was exceeded', hint: 'Free some space, or choose another path.' }],
  ['EEXIST', { reason: 'a file with this name already exists', hint: 'Choose another path, or remove the file.' }],
  [
    'EFBIG',
    {
      reason: 'the file would exceed the file size limit',
      hint: 'Raise the limit ("ulimit -f"), or choose another path.',
    },
  ],
  ['EIO', { reason: 'the device reported an I/O error' }],
  ['EISDIR', { reason: 'it is a folder', hint: 'Choose another path, or remove the folder.' }],
  ['ELOOP', { reason: 'its symbolic links form a loop', hint: 'Check the path.' }],
  [
    'EMFILE',
    { reason: 'this process has too many open files', hint: 'Raise the limit, for example with "ulimit -n".' },
  ],
  ['ENAMETOOLONG', { reason: 'its name is too long', hint: 'Choose a shorter name.' }],
  ['ENFILE', { reason: 'the system has too many open files' }],
  ['ENOENT', { reason: 'no such file or directory', hint: 'Check the path.' }],
  ['ENOSPC', { reason: 'the disk is full', hint: 'Free some space, or choose another path.' }],
  ['ENOTDIR', { reason: 'a part of its path is not a folder', hint: 'Check the path.' }],
  ['EPERM', denied],
  ['EROFS', { reason: 'the file system is read-only', hint: 'Choose another path.' }],
]);
