import { readdir } from 'node:fs/promises';
import { errorCode, MlistError } from '../errors.ts';
import { parseDigest, type Digest } from '../oci/digest.ts';
import type { Reference } from '../oci/reference.ts';
import { bareArgument } from './sources.ts';
import type { ManifestArgument } from './resolve-source.ts';

/** Names of files that stand for a digest, as the builds of a matrix leave them: the contents of the files do not matter. */
const DIGEST_FILE = /^(?:sha256[:-])?([0-9a-f]{64})$/;

/**
 * The images whose digests are the names of the files in a folder, in the order of the digests: `<hex>`,
 * `sha256-<hex>` or `sha256:<hex>`.
 * @param repository - where the images lie
 * @throws MlistError `ERR_MLIST_NOT_FOUND` where there is no such folder; `ERR_MLIST_DOCUMENT_INVALID` for an empty one, and
 *   for one that holds anything else, which is named: half a download must not become a list
 */
export async function readDigestsFolder(path: string, repository: Reference): Promise<readonly ManifestArgument[]> {
  const items = await readdir(path, { withFileTypes: true }).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  const strange = items.filter((item) => !item.isFile() || !DIGEST_FILE.test(item.name)).map(({ name }) => name);
  if (strange.length > 0) throw refused(path, `it holds what is no digest: ${strange.sort().join(', ')}`);
  const digests = new Set(items.map(({ name }) => digestIn(name)));
  if (digests.size === 0) throw refused(path, 'it is empty');
  return [...digests].sort().map((digest) => bareArgument(repository, digest));
}

function digestIn(name: string): Digest {
  return parseDigest(`sha256:${DIGEST_FILE.exec(name)?.[1] ?? ''}`);
}

function unreadable(path: string, cause: unknown): MlistError {
  const code = errorCode(cause);
  const isMissing = code === 'ENOENT';
  const reason = isMissing ? 'there is no such folder' : code === 'ENOTDIR' ? 'it is no folder' : (code ?? '');
  const kind = isMissing ? 'ERR_MLIST_NOT_FOUND' : code === 'ENOTDIR' ? 'ERR_MLIST_USAGE' : 'ERR_MLIST_FILE';
  return new MlistError(kind, `cannot read the digests in ${path}: ${reason}`, { path, cause });
}

function refused(path: string, reason: string): MlistError {
  return new MlistError('ERR_MLIST_DOCUMENT_INVALID', `the digests in ${path} cannot be used: ${reason}`, {
    path,
    hint: 'The folder holds one file for each image, named by the digest. Of several artifacts, download all into one folder.',
  });
}
