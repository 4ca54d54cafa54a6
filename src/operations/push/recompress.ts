import type { Draft, Entry } from '../../draft/draft.ts';
import type { Workspace } from '../../draft/workspace/workspace.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import { shortDigest, type Digest } from '../../oci/digest.ts';
import { formatLocation, isPipe } from '../../oci/location.ts';
import { isManifestType } from '../../oci/media-type.ts';
import type { ManifestContent } from '../../store/store.ts';
import type { PushDraftOptions } from './push-options.ts';

interface RecompressOptions extends PushDraftOptions {
  readonly workspace: Workspace;
}

/**
 * Returns the draft. Images from docker archives get new digests if `--compression` changes their layers. Except in a
 * dry run, a changed draft is stored, so that later pushes send the same list.
 */
export async function recompressDraft(draft: Draft, options: RecompressOptions): Promise<Draft> {
  const { stores, workspace, dryRun = false, signal } = options;
  if (stores.compression === undefined) return draft;
  const changed = new Map<Digest, ManifestContent>();
  for (const entry of draft.entries) {
    const content = await recompressed(entry, options);
    if (content === undefined || content.descriptor.digest === entry.digest) continue;
    await stores.cache.put(content.bytes);
    changed.set(entry.digest, content);
    const digests = `${shortDigest(entry.digest)} -> ${shortDigest(content.descriptor.digest)}`;
    const message = `the compression ${stores.compression} changes the digest of ${formatLocation(entry.source)}: ${digests}`;
    options.onEvent?.({ type: 'note', message });
  }
  if (changed.size === 0) return draft;
  const change = (current: Draft): Draft => ({
    ...current,
    entries: current.entries.map((entry) => changedEntry(entry, changed)),
  });
  if (dryRun) return change(draft);
  return (await workspace.update(draft.list, (current) => change(current ?? draft), { signal })).draft;
}

function changedEntry(entry: Entry, changed: ReadonlyMap<Digest, ManifestContent>): Entry {
  const content = entry.source.kind === 'docker-archive' ? changed.get(entry.digest) : undefined;
  if (content === undefined) return entry;
  const { digest, size } = content.descriptor;
  return { ...entry, digest, size };
}

/**
 * Returns the manifest of an image from a docker archive, with the layers compressed as `--compression` requests.
 * Returns undefined for other entries, and for archives from a pipe. Also returns undefined if the archive does not
 * exist; the push reports that error.
 */
async function recompressed(entry: Entry, { stores, signal }: PushDraftOptions): Promise<ManifestContent | undefined> {
  const { source, digest, mediaType } = entry;
  if (source.kind !== 'docker-archive' || isPipe(source) || !isManifestType(mediaType)) return undefined;
  const store = await ignoreNotFound(stores.source(source, { signal }));
  return store?.recompressed?.(digest);
}
