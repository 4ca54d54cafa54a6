import { allOrErrors } from '../../async/settle.ts';
import { Limiter } from '../../async/limiter.ts';
import {
  contentId,
  contentSource,
  isUnpushed,
  platformOf,
  sourceName,
  withManifest,
  type Draft,
  type Entry,
} from '../../draft/draft.ts';
import { asMlistError, errorCode } from '../../errors/errors.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import { shortImageId } from '../../oci/digest.ts';
import { isInEngine } from '../../oci/location.ts';
import { readImageManifest } from '../../schema/documents.ts';
import { claimWarnings } from '../platform-claims.ts';
import { entryGone } from '../publish/missing-entries.ts';
import type { PublishContext } from '../publish/publish.ts';
import { statedPlatform } from '../stated-platform.ts';

/** This file generates manifests for images from engines that store no manifests, before a push is planned. */

/** Maximum number of concurrent exports. It is low, because each export is written to disk. */
const EXPORTS_AT_ONCE = 2;

type Options = Pick<PublishContext, 'stores' | 'signal' | 'onEvent'>;

/**
 * Returns the draft with a manifest for each image. Images without a manifest are exported by their ID. If a
 * compression was chosen, manifests that earlier pushes generated are generated again.
 * @throws MlistError `ERR_MLIST_NOT_FOUND` if an image no longer exists in its engine; the errors of the engines
 */
export async function generateManifests(draft: Draft, options: Options): Promise<Draft> {
  const isGenerated = (entry: Entry) =>
    isUnpushed(entry) || (entry.image !== undefined && options.stores.compression !== undefined);
  if (!draft.entries.some(isGenerated)) return draft;
  const limiter = new Limiter(EXPORTS_AT_ONCE);
  const entries = draft.entries.map((entry) =>
    isGenerated(entry) ? limiter.run(() => generateManifest(entry, draft, options)) : Promise.resolve(entry),
  );
  return { ...draft, entries: await allOrErrors(entries, options.signal) };
}

async function generateManifest(entry: Entry, draft: Draft, options: Options): Promise<Entry> {
  const { stores, signal, onEvent } = options;
  const source = contentSource(entry);
  const store = await stores.source(source, { signal });
  const { name } = await stores.resolveLocation(source, { signal }).catch((thrown: unknown) => {
    throw errorCode(thrown) === 'ERR_MLIST_NOT_FOUND' ? entryGone(entry, draft, asMlistError(thrown)) : thrown;
  });
  await noteMovedName(entry, options);
  const { descriptor, bytes } = await store.fetchManifest(name, { signal });
  await stores.cache.put(bytes);
  const { config } = readImageManifest(bytes, descriptor.mediaType, sourceName(entry));
  // The engine may omit the variant and the version, so the platform is read from the config.
  const isGiven = entry.set?.os != null && entry.set.architecture != null;
  const detected = await statedPlatform(config, sourceName(entry), () => store.fetchBlob(config, { signal }), isGiven);
  const complete = withManifest(entry, { ...descriptor, detected });
  for (const warning of claimWarnings(sourceName(entry), platformOf(complete), detected)) onEvent?.(warning);
  return complete;
}

/**
 * Emits a note if the name of an image no longer refers to it in the engine. The push still uses the image in the
 * draft.
 */
async function noteMovedName(entry: Entry, { stores, signal, onEvent }: Options): Promise<void> {
  const { source } = entry;
  if (!isInEngine(source) || typeof source.image === 'string') return;
  const named = await ignoreNotFound(stores.engineImage(source).then((image) => image.describe({ signal })));
  if (named?.id === contentId(entry)) return;
  const now = named === undefined ? 'no longer exists' : `now refers to another image (${shortImageId(named.id)})`;
  const message = `${sourceName(entry)} ${now}; the push uses the image ${shortImageId(contentId(entry))} from the draft`;
  onEvent?.({ type: 'note', message });
}

/** Whether the push has generated manifests that the stored draft does not have yet. */
export function hasNewManifests(stored: Draft, pushed: Draft): boolean {
  const known = new Map(stored.entries.map((entry) => [contentId(entry), entry.digest]));
  return pushed.entries.some((entry) => {
    const before = known.get(contentId(entry));
    return entry.image !== undefined && before !== undefined && before !== entry.digest;
  });
}

/** Returns the draft with the manifest descriptors that a push has generated for its engine images. */
export function withPushedManifests({ entries, ...draft }: Draft, pushed: Draft): Draft {
  const known = new Map(
    pushed.entries.filter(({ image }) => image !== undefined).map((entry) => [contentId(entry), entry]),
  );
  const completed = entries.map((entry) => {
    const found = entry.image === undefined ? undefined : known.get(contentId(entry));
    return found === undefined ? entry : withManifest(entry, found);
  });
  return { ...draft, entries: completed };
}
