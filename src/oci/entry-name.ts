import type { Descriptor } from './descriptor.ts';
import { shortDigest } from './digest.ts';
import { formatPlatform } from './platform/platform.ts';

/**
 * Returns the name of an entry in messages: `linux/amd64 (sha256:0123456789ab)`, or only the short digest if the entry
 * has no platform.
 */
export function entryName({ digest, platform }: Pick<Descriptor, 'digest' | 'platform'>): string {
  const short = shortDigest(digest);
  return platform === undefined ? short : `${formatPlatform(platform, { all: true })} (${short})`;
}
