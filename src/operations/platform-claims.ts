import { isAttestation, minimalDescriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { platformOfConfig } from '../oci/manifest.ts';
import { isImageConfigType, isIndexType, isManifestType } from '../oci/media-type.ts';
import { formatPlatform, type Platform } from '../oci/platform/platform.ts';
import { isAttestationEntry, platformOf, sourceName, type Entry } from '../draft/draft.ts';
import { readImageConfig, readImageManifest, readIndex } from '../schema/documents.ts';
import { checkClaim } from '../schema/rules/platform-claim.ts';
import { childrenOfManifest } from '../transfer/graph.ts';
import type { Plan } from '../transfer/plan.ts';
import type { RunOptions } from '../transfer/run.ts';
import type { OnEvent, OperationEvent } from './events.ts';
import type { ReadStore } from '../store/store.ts';
import { statedPlatform } from './stated-platform.ts';

/**
 * The functions of this file warn about images whose config states a different platform from their list entry, which is
 * usually a mistake.
 */

/**
 * Returns an array with a warning if both platforms are given and contradict each other, and an empty array otherwise.
 * @param name - the image, for the message
 * @param listed - the platform of the list entry
 * @param stated - the platform that the image states
 * @param origin - what states this platform, for the message
 */
export function claimWarnings(
  name: string,
  listed?: Platform,
  stated?: Platform,
  origin: 'its config' | 'the source' = 'its config',
): readonly OperationEvent[] {
  if (listed === undefined || stated === undefined) return [];
  if (!checkClaim(listed, stated, '').some(({ severity }) => severity === 'error')) return [];
  const [statedText, listedText] = [stated, listed].map((platform) => formatPlatform(platform, { all: true }));
  return [{ type: 'warning', message: `${name} is listed for ${listedText}, but ${origin} states ${statedText}` }];
}

/**
 * Returns warnings about index entries whose platform contradicts their image. For layouts and archives, the platform
 * is compared with the image config. For registries, reading the configs would take extra requests. Therefore, only a
 * platform that the author has set is checked: it is compared with the platform that it replaces. Failed reads are
 * ignored, because only warnings depend on them.
 */
export async function indexClaimWarnings(
  entries: readonly Entry[],
  store: ReadStore,
  signal: AbortSignal | undefined,
): Promise<readonly OperationEvent[]> {
  const stated = (entry: Entry) => claimWarnings(sourceName(entry), platformOf(entry), entry.detected, 'the source');
  if (store.statedSize !== undefined) return entries.flatMap(stated);
  const images = entries.filter((entry) => isManifestType(entry.mediaType) && !isAttestationEntry(entry));
  const found = images.map(async (entry) => {
    try {
      const holder = (await store.holderOf?.(minimalDescriptor(entry), { signal })) ?? store;
      if (holder.statedSize !== undefined) return stated(entry);
      const { bytes } = await store.fetchManifest(entry.digest, { expected: entry, signal });
      const { config } = readImageManifest(bytes, entry.mediaType, sourceName(entry));
      const platform = await statedPlatform(config, sourceName(entry), () => store.fetchBlob(config, { signal }), true);
      return claimWarnings(`${store.location}@${entry.digest}`, platformOf(entry), platform);
    } catch {
      return [];
    }
  });
  return (await Promise.all(found)).flat();
}

export interface WatchOptions {
  readonly onEvent: OnEvent | undefined;
  /** Images that are not checked, because the author has set their platform. */
  readonly ignored?: ReadonlySet<Digest> | undefined;
}

/**
 * Returns a callback that emits a warning if the platform in an image config contradicts the platform that a list of
 * the plan states for the image. It reads each config while the config is copied, without further requests.
 */
export function watchConfigs(plan: Plan, { onEvent, ignored }: WatchOptions): RunOptions['onConfig'] {
  let claims: ReadonlyMap<Digest, readonly Claim[]> | undefined;
  const reported = new Set<string>();
  return ({ blob, from }, bytes) => {
    try {
      claims ??= claimsIn(plan);
      const stated = platformOfConfig(readImageConfig(bytes, blob.digest, { mayLackPlatform: true }));
      for (const { digest, platform } of claims.get(blob.digest) ?? []) {
        if (ignored?.has(digest) === true || reported.has(digest)) continue;
        reported.add(digest);
        for (const warning of claimWarnings(`${from.location}@${digest}`, platform, stated)) onEvent?.(warning);
      }
    } catch {
      // An invalid document is copied as it is, without a warning.
    }
  };
}

interface Claim {
  /** The digest of the image. */
  readonly digest: Digest;
  readonly platform: Platform;
}

/** Returns the platforms that the lists in a plan state for images, keyed by the digest of the image config. */
function claimsIn({ root, manifests, target }: Plan): ReadonlyMap<Digest, readonly Claim[]> {
  const contents = [root.content, ...manifests.map(({ content }) => content)];
  const lists = contents.filter(({ descriptor }) => isIndexType(descriptor.mediaType));
  const entries = lists.flatMap(
    ({ bytes, descriptor }) => readIndex(bytes, descriptor.mediaType, descriptor.digest).manifests,
  );
  const listed = new Map<Digest, Claim[]>();
  for (const entry of entries) {
    const { digest, platform } = entry;
    if (platform === undefined || isAttestation(entry)) continue;
    listed.set(digest, [...(listed.get(digest) ?? []), { digest, platform }]);
  }
  const claims = new Map<Digest, Claim[]>();
  for (const content of contents) {
    const own = listed.get(content.descriptor.digest) ?? [];
    const config = childrenOfManifest(content, target).blobs.find(({ mediaType }) => isImageConfigType(mediaType));
    if (config !== undefined) claims.set(config.digest, [...(claims.get(config.digest) ?? []), ...own]);
  }
  return claims;
}
