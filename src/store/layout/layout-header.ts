import { join } from 'node:path';
import { asMlistError, MlistError } from '../../errors/errors.ts';
import { writeFileAtomic, type HeldLock } from '../../fs/atomic.ts';
import { readAtMost } from '../../fs/read-file.ts';
import { readDocument } from '../../oci/children.ts';
import { realPathInside } from './path-inside.ts';

/** The file that makes a folder an OCI layout (image-spec v1.1.1 image-layout.md "oci-layout file"). */
export const HEADER_FILE = 'oci-layout';

const VERSION = '1.0.0';
const MAX_BYTES = 64 * 1024;

export interface NamedFile {
  readonly path: string;
  /** Name of the file in errors. */
  readonly name: string;
}

/** The content of the oci-layout file that mlist writes. */
export const HEADER = JSON.stringify({ imageLayoutVersion: VERSION });

/**
 * Whether the folder has an oci-layout file.
 * @param name - name of the layout in errors
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if the file is damaged, or its version is not supported
 */
export async function hasHeader(root: string, name: string): Promise<boolean> {
  const path = join(root, HEADER_FILE);
  const real = await realPathInside(root, path, name);
  if (real === undefined) return false;
  const bytes = await readAtMost(real, { maxBytes: MAX_BYTES, onlyFile: true }).catch(fail);
  checkHeader(bytes, { path, name: join(name, HEADER_FILE) });
  return true;
}

/**
 * Checks the content of an oci-layout file.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if it is damaged, or its version is not supported
 */
export function checkHeader(bytes: Uint8Array, file: NamedFile): void {
  const { path, name } = file;
  const version = versionIn(bytes, file);
  if (version === VERSION) return;
  const found = version === undefined ? 'missing' : JSON.stringify(version);
  const message = `${name}: imageLayoutVersion is ${found}; only ${JSON.stringify(VERSION)} is supported`;
  throw new MlistError('ERR_MLIST_DOCUMENT_INVALID', message, { path });
}

function versionIn(bytes: Uint8Array, { path, name }: NamedFile): unknown {
  try {
    return readDocument(bytes, { maxBytes: MAX_BYTES })['imageLayoutVersion'];
  } catch (error) {
    const { message, problems } = asMlistError(error);
    throw new MlistError('ERR_MLIST_DOCUMENT_INVALID', `${name} is damaged: ${message}`, { path, problems });
  }
}

function fail(error: unknown): never {
  throw asMlistError(error);
}

export async function writeHeader(root: string, lock: HeldLock): Promise<void> {
  await writeFileAtomic(join(root, HEADER_FILE), HEADER, { lock });
}
