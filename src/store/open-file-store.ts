import type { Spool } from '../fs/spool.ts';
import { openDockerArchive, type DockerArchiveOptions } from './archive/docker-archive.ts';
import { OciArchive } from './archive/oci-archive.ts';
import { writeArchiveToPipe as pipeArchive, type WriteArchiveOptions } from './archive/write-archive.ts';
import type { WritePipe } from './archive/tar/pipe-sink.ts';
import { compressor } from './docker-image/layer-compression.ts';
import { LayerCompressor } from './docker-image/layer-compressor.ts';
import { LayerRecords } from './docker-image/layer-records.ts';
import { openLayout } from './layout/open-layout.ts';
import type { ResolvedEntry } from './layout/resolve-entry.ts';
import { MemoryStore } from './memory.ts';
import type { ContentOptions, ContentWriter, ReadStore, Store } from './store.ts';
import type { FileLocation } from '../oci/location.ts';
import { ignoreNotFound } from '../errors/not-found.ts';

export { writeArchive } from './archive/write-archive.ts';
export type { WritePipe } from './archive/tar/pipe-sink.ts';

/** This module opens layouts and archives, and creates layer compressors. `Stores` loads it on first use. */

/** A layout or archive to read from. */
export interface FileStore extends ReadStore {
  /** Resolves the name in a location such as `oci:DIR:NAME`. Without a name, resolves the only image or list. */
  resolveRef(ref?: string): Promise<ResolvedEntry>;
  close?(): Promise<void>;
}

interface OpenOptions extends ContentOptions {
  /** Name of the store in errors. */
  readonly name: string;
}

interface PipeOptions extends WriteArchiveOptions {
  readonly compression: 'gzip' | 'zstd' | undefined;
  readonly onNote: ((message: string) => void) | undefined;
}

/** Runs `work` with a store that is written to a pipe as an OCI archive. */
export async function writeArchiveToPipe<T>(
  write: WritePipe,
  { compression, onNote, ...options }: PipeOptions,
  work: (target: Store) => Promise<T>,
): Promise<T> {
  const compress = compression === undefined ? undefined : await compressor(compression, onNote);
  return pipeArchive(write, { ...options, compress }, work);
}

/**
 * Creates the layer compressor that one command uses.
 * @param workspaceFolder - the workspace that records the digests and sizes of compressed layers; if undefined, nothing
 * is recorded
 */
export function createCompressor(
  spool: Spool,
  workspaceFolder: string | undefined,
  onNote: ((message: string) => void) | undefined,
): LayerCompressor {
  return new LayerCompressor({ spool, records: new LayerRecords(workspaceFolder), onNote });
}

/**
 * Opens a layout or archive for reading.
 * @throws MlistError `ERR_MLIST_NOT_FOUND` if the folder or file does not exist
 */
export function openFileStore(
  kind: FileLocation['kind'],
  path: string,
  options: OpenOptions & DockerArchiveOptions,
): Promise<FileStore> {
  switch (kind) {
    case 'oci':
      return openLayout(path, options);
    case 'oci-archive':
      return OciArchive.open(path, options);
    case 'docker-archive':
      return openDockerArchive(path, options);
  }
}

/** Opens a layout to write to. Creates a missing layout or, for a dry run, returns an empty store in memory instead. */
export async function openLayoutTarget(
  path: string,
  { dryRun, ...options }: OpenOptions & { readonly dryRun: boolean },
): Promise<ContentWriter> {
  if (!dryRun) return openLayout(path, { create: true, ...options });
  return (await ignoreNotFound(openLayout(path, options))) ?? new MemoryStore(`oci:${options.name}`);
}
