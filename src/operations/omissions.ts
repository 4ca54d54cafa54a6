import { formatPlatform, type Platform } from '../oci/platform/platform.ts';

/** Content that is left out of a copy or a list, and the reason. */
export interface Omission {
  readonly what: 'image' | 'attestation' | 'layer' | 'referrer';
  readonly digest: string;
  /** The platform of an image, if its list states one. */
  readonly platform?: string;
  readonly reason: string;
}

/**
 * Describes the omission of a manifest or layer.
 * @param content - the descriptor; its platform is reported for images only
 */
export function omissionOf(
  what: Omission['what'],
  { digest, platform }: { readonly digest: string; readonly platform?: Platform | undefined },
  reason: string,
): Omission {
  const isStated = what === 'image' && platform !== undefined;
  return { what, digest, ...(isStated ? { platform: formatPlatform(platform, { all: true }) } : {}), reason };
}
