import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { SeveralErrors } from '../../src/errors/errors.ts';
import { writeFileAtomic } from '../../src/fs/atomic.ts';
import { writeFailure } from '../../src/fs/file-errors.ts';
import { temporaryFolder } from '../support/cli-harness.ts';

describe('a failed write reports the path and the reason', () => {
  test.each([
    ['ENOSPC', /^cannot write out\.tar: the disk is full \(ENOSPC\)$/],
    ['EDQUOT', /quota/],
    ['EROFS', /the file system is read-only/],
    ['EACCES', /permission denied/],
    ['EIO', /the device reported an I\/O error \(EIO\)/],
    ['EBADF', /^cannot write out\.tar: bad file descriptor$/],
  ])('%s', (code, message) => {
    const failed = writeFailure('out.tar', Object.assign(new Error('bad file descriptor'), { code, syscall: 'write' }));
    expect(failed).toMatchObject({ code: 'ERR_MLIST_FILE', message: expect.stringMatching(message) as unknown });
  });

  test('many errors with the same cause are reported once', () => {
    const full = () => writeFailure('out', Object.assign(new Error('full'), { code: 'ENOSPC' }));
    expect(SeveralErrors.of([full(), full(), full()])).not.toBeInstanceOf(SeveralErrors);
  });

  test('to the path of a folder', async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'taken'));
    await writeFile(join(folder, 'taken', 'x'), '');
    const path = join(folder, 'taken');
    await expect(writeFileAtomic(path, 'x')).rejects.toMatchObject({ code: 'ERR_MLIST_FILE', facts: { path } });
  });
});
