import { join } from 'node:path';
import { asMlistError, MlistError } from '../../errors.ts';
import { writeFileAtomic } from '../../files/atomic.ts';
import { readAtMost } from '../../files/read.ts';
import { readDocument } from '../../oci/links.ts';
import { realPathInside } from './inside.ts';

/** The file that makes a folder an OCI layout (image-spec v1.1.1 image-layout.md "oci-layout file"). */
export const HEADER_FILE = 'oci-layout';

const VERSION = '1.0.0';
const MAX_BYTES = 64 * 1024;

/** What stands in the file. */
export const HEADER = JSON.stringify({ imageLayoutVersion: VERSION });

/**
 * Whether the folder says that it is an OCI layout.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` where it says so in a way that is not understood.
 */
export async function hasHeader(root: string): Promise<boolean> {
  const path = join(root, HEADER_FILE);
  const real = await realPathInside(root, path);
  if (real === undefined) return false;
  checkHeader(await readAtMost(real, { maxBytes: MAX_BYTES, onlyFile: true }).catch(fail), path);
  return true;
}

/**
 * Checks what stands in the file.
 * @param path of the file, for the error
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID`
 */
export function checkHeader(bytes: Uint8Array, path: string): void {
  const version = versionIn(bytes, path);
  if (version === VERSION) return;
  throw new MlistError(
    'ERR_MLIST_DOCUMENT_INVALID',
    `${path}: imageLayoutVersion is ${JSON.stringify(version)}, only ${JSON.stringify(VERSION)} is known`,
    { path },
  );
}

function versionIn(bytes: Uint8Array, path: string): unknown {
  try {
    return readDocument(bytes, { maxBytes: MAX_BYTES })['imageLayoutVersion'];
  } catch (error) {
    const { message, problems } = asMlistError(error);
    throw new MlistError('ERR_MLIST_DOCUMENT_INVALID', `${path} is damaged: ${message}`, { path, problems });
  }
}

function fail(error: unknown): never {
  throw asMlistError(error);
}

export async function writeHeader(root: string): Promise<void> {
  await writeFileAtomic(join(root, HEADER_FILE), HEADER);
}
