import type { Descriptor } from './descriptor.ts';
import { shortDigest } from './digest.ts';
import { formatPlatform } from './platform/platform.ts';

/** An entry of a list for people: `linux/amd64 (sha256:0123456789ab)`; just the digest where it states no platform. */
export function entryName({ digest, platform }: Pick<Descriptor, 'digest' | 'platform'>): string {
  const short = shortDigest(digest);
  return platform === undefined ? short : `${formatPlatform(platform, { all: true })} (${short})`;
}
