import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode, MlistError } from '../../errors/errors.ts';
import { readReason } from '../../fs/file-errors.ts';
import { readAtMost } from '../../fs/read-file.ts';
import { parseDigest } from '../../oci/digest.ts';
import { formatLocation } from '../../oci/location.ts';
import type { Reference } from '../../oci/reference.ts';
import type { ManifestArgument } from './read-source.ts';
import { digestOnlyArgument, digestArgument } from './parse-sources.ts';

/**
 * Matches a file name that is a digest, as written by the jobs of a build matrix. The content of such a file is
 * ignored.
 */
const DIGEST_FILE = /^(?:sha256[:-])?([0-9a-f]{64})$/;

/** Maximum number of bytes in a file. It is enough for the longest reference with whitespace around it. */
const MAX_CONTENT = 2048;

/**
 * Returns the images in a folder that has one file for each image, sorted by digest. A file is named `<hex>`,
 * `sha256-<hex>` or `sha256:<hex>`, or contains one digest, or one reference with a digest.
 * @param repository - the repository of images that are given only by digest
 * @throws MlistError `ERR_MLIST_NOT_FOUND` if the folder does not exist; `ERR_MLIST_DOCUMENT_INVALID` if it is empty or
 * contains anything else, because an incomplete download must not become a list
 */
export async function readDigestsFolder(path: string, repository: Reference): Promise<readonly ManifestArgument[]> {
  const items = await readdir(path, { withFileTypes: true }).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  const read = await Promise.all(
    items.map(async (item) => (item.isFile() ? argumentOf(join(path, item.name), item.name, repository) : [])),
  );
  const strange = items.filter((_, at) => read[at]?.length === 0).map(({ name }) => name);
  if (strange.length > 0) {
    throw refused(path, `neither the name nor the content of these items is a digest: ${strange.sort().join(', ')}`);
  }
  if (items.length === 0) throw refused(path, 'the folder is empty');
  const images = new Map(read.flat().map((argument) => [formatLocation(argument.location), argument]));
  return [...images.values()]
    .sort((left, right) => (digestOf(left) < digestOf(right) ? -1 : 1))
    .map((argument) => ({ ...argument, isUnordered: true }));
}

async function argumentOf(file: string, name: string, repository: Reference): Promise<readonly ManifestArgument[]> {
  const hex = DIGEST_FILE.exec(name)?.[1];
  if (hex !== undefined) return [digestOnlyArgument(repository, parseDigest(`sha256:${hex}`))];
  const content = await readAtMost(file, { maxBytes: MAX_CONTENT, onlyFile: true }).catch((cause: unknown) => {
    throw unreadable(file, cause);
  });
  return content.length > MAX_CONTENT ? [] : digestArgument(content.toString('utf8'), repository);
}

function digestOf({ location }: ManifestArgument): string {
  return location.kind === 'registry' ? (location.reference.digest ?? '') : '';
}

function unreadable(path: string, cause: unknown): MlistError {
  const code = errorCode(cause);
  const reason = code === 'ENOTDIR' ? 'it is not a folder' : readReason(cause);
  const kind = code === 'ENOENT' ? 'ERR_MLIST_NOT_FOUND' : code === 'ENOTDIR' ? 'ERR_MLIST_USAGE' : 'ERR_MLIST_FILE';
  return new MlistError(kind, `cannot read the digests in ${path}: ${reason}`, { path, cause });
}

function refused(path: string, reason: string): MlistError {
  return new MlistError('ERR_MLIST_DOCUMENT_INVALID', `the digests in ${path} cannot be used: ${reason}`, {
    path,
    hint:
      'The folder must contain one file for each image, and the name or content of the file must be the digest. ' +
      'If it has a subfolder for each artifact, move the files into one folder.',
  });
}
