import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asMlistError, MlistError } from '../../errors.ts';
import { writeFileAtomic } from '../../files/atomic.ts';
import { readDocument } from '../../oci/links.ts';
import { realPathInside } from './inside.ts';

/** The file that makes a folder an OCI layout (image-spec v1.1.1 image-layout.md "oci-layout file"). */
export const HEADER_FILE = 'oci-layout';

const VERSION = '1.0.0';
const MAX_BYTES = 64 * 1024;

/**
 * Whether the folder says that it is an OCI layout.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` where it says so in a way that is not understood.
 */
export async function hasHeader(root: string): Promise<boolean> {
  const path = join(root, HEADER_FILE);
  const real = await realPathInside(root, path);
  if (real === undefined) return false;
  const version = await readVersion(real, path);
  if (version === VERSION) return true;
  throw new MlistError(
    'ERR_MLIST_DOCUMENT_INVALID',
    `${path}: imageLayoutVersion is ${JSON.stringify(version)}, only ${JSON.stringify(VERSION)} is known`,
    { path },
  );
}

async function readVersion(real: string, path: string): Promise<unknown> {
  try {
    return readDocument(await readFile(real), { maxBytes: MAX_BYTES })['imageLayoutVersion'];
  } catch (error) {
    if (!(error instanceof MlistError)) throw asMlistError(error);
    throw new MlistError('ERR_MLIST_DOCUMENT_INVALID', `${path} is damaged: ${error.message}`, {
      path,
      problems: error.problems,
    });
  }
}

export async function writeHeader(root: string): Promise<void> {
  await writeFileAtomic(join(root, HEADER_FILE), JSON.stringify({ imageLayoutVersion: VERSION }));
}
