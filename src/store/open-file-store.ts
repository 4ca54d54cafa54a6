import { openDockerArchive } from './archive/docker-archive.ts';
import { OciArchive } from './archive/oci-archive.ts';
import { openLayout } from './layout/open-layout.ts';
import type { Picked } from './layout/pick-entry.ts';
import { MemoryContent } from './memory.ts';
import type { ContentOptions, ContentSource, ContentTarget, Looks, Referrers, Stored } from './store.ts';
import type { FileLocation } from '../oci/location.ts';
import { ignoreNotFound } from '../errors/not-found.ts';

export { writeArchive } from './archive/write-archive.ts';

/** The stores that are named by a path: layouts and archives. `Homes` loads them when one is named. */

/** Says itself what a location without a digest means. */
export interface FileStore extends ContentSource, Partial<Referrers>, Partial<Looks>, Partial<Stored> {
  pick(ref?: string): Promise<Picked>;
  close?(): Promise<void>;
}

/** How errors name it, beside what interrupts the opening. */
interface OpenOptions extends ContentOptions {
  readonly name: string;
}

/** @throws MlistError `ERR_MLIST_NOT_FOUND` where there is no such folder or file */
export function openFile(kind: FileLocation['kind'], path: string, options: OpenOptions): Promise<FileStore> {
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
export async function openTarget(
  path: string,
  { dryRun, ...options }: OpenOptions & { readonly dryRun: boolean },
): Promise<ContentTarget> {
  if (!dryRun) return openLayout(path, { create: true, ...options });
  return (await ignoreNotFound(openLayout(path, options))) ?? new MemoryContent(`oci:${options.name}`);
}
