import { openDockerArchive } from './archive/docker-archive.ts';
import { OciArchive } from './archive/oci-archive.ts';
import { openLayout } from './layout/open-layout.ts';
import type { ResolvedEntry } from './layout/resolve-entry.ts';
import { MemoryStore } from './memory.ts';
import type {
  ContentOptions,
  ContentReader,
  ContentWriter,
  ExistenceChecker,
  ReferrerLister,
  LocalStore,
} from './store.ts';
import type { FileLocation } from '../oci/location.ts';
import { ignoreNotFound } from '../errors/not-found.ts';

export { writeArchive } from './archive/write-archive.ts';

/** The stores that are named by a path: layouts and archives. `Homes` loads them when one is named. */

/** Says itself what a location without a digest means. */
export interface FileStore
  extends ContentReader, Partial<ReferrerLister>, Partial<ExistenceChecker>, Partial<LocalStore> {
  resolveRef(ref?: string): Promise<ResolvedEntry>;
  close?(): Promise<void>;
}

/** How errors name it, beside what interrupts the opening. */
interface OpenOptions extends ContentOptions {
  readonly name: string;
}

/** @throws MlistError `ERR_MLIST_NOT_FOUND` where there is no such folder or file */
export function openFileStore(kind: FileLocation['kind'], path: string, options: OpenOptions): Promise<FileStore> {
  switch (kind) {
    case 'oci':
      return openLayout(path, options);
    case 'oci-archive':
      return OciArchive.open(path, options);
    case 'docker-archive':
      return openDockerArchive(path, options);
  }
}

/** A layout to write to, made where there is none; for a dry run something stands in for it then. */
export async function openLayoutTarget(
  path: string,
  { dryRun, ...options }: OpenOptions & { readonly dryRun: boolean },
): Promise<ContentWriter> {
  if (!dryRun) return openLayout(path, { create: true, ...options });
  return (await ignoreNotFound(openLayout(path, options))) ?? new MemoryStore(`oci:${options.name}`);
}
