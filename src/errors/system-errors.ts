/** The description of an operating system error in messages. */
export interface SystemErrorText {
  /** The reason, as in `cannot write FILE: REASON`. */
  readonly reason: string;
  /** The next step after a failed write. */
  readonly hint?: string;
}

const denied: SystemErrorText = { reason: 'permission denied', hint: 'Check its owner and its permissions.' };

/** Descriptions of file errors, by their code in Node. */
export const systemErrors: ReadonlyMap<string, SystemErrorText> = new Map([
  ['EACCES', denied],
  ['EDQUOT', { reason: 'the disk quota is used up', hint: 'Free some space, or write elsewhere.' }],
  ['EEXIST', { reason: 'a file of this name already exists', hint: 'Write elsewhere, or remove the file.' }],
  ['EFBIG', { reason: 'the file size limit is reached', hint: 'Raise the limit ("ulimit -f"), or write elsewhere.' }],
  ['EIO', { reason: 'the device reports an I/O error' }],
  ['EISDIR', { reason: 'it is a folder', hint: 'Write elsewhere, or remove the folder.' }],
  ['ELOOP', { reason: 'its symbolic links form a loop', hint: 'Check the path.' }],
  [
    'EMFILE',
    { reason: 'this process has too many open files', hint: 'Raise its limit, for example with "ulimit -n".' },
  ],
  ['ENAMETOOLONG', { reason: 'its name is too long', hint: 'Choose a shorter name.' }],
  ['ENFILE', { reason: 'the system has too many open files' }],
  ['ENOENT', { reason: 'no such file or folder', hint: 'Check the path.' }],
  ['ENOSPC', { reason: 'the disk is full', hint: 'Free some space, or write elsewhere.' }],
  ['ENOTDIR', { reason: 'a part of its path is not a folder', hint: 'Check the path.' }],
  ['EPERM', denied],
  ['EROFS', { reason: 'the file system is read-only', hint: 'Write elsewhere.' }],
]);
