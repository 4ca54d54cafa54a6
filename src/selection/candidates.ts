import type { Descriptor } from '../oci/descriptor.ts';
import { formatPlatform, type Platform } from '../oci/platform/platform.ts';

/** A list with all the content that clients read when they select an image. */
export interface CandidateList {
  /**
   * The media type of the list. Clients may have different rules for Docker lists and OCI indexes. For a single image,
   * this is the media type of its manifest, and `entries` contains only the image.
   */
  readonly mediaType: string;
  readonly entries: readonly Candidate[];
}

/** An entry of a list that a client may select. */
export interface Candidate {
  /** Position, counted from 1: `2`, or `2.1` for the first entry of the index at position 2. */
  readonly place: string;
  readonly descriptor: Descriptor;
  /** The platform in the image config. It is read only if the descriptor has no platform. */
  readonly stated?: Platform;
  /** The entries of a nested index. */
  readonly entries?: readonly Candidate[];
  /** The reason why the manifest or the config cannot be read. Absent if both can be read. */
  readonly fault?: string;
}

/** The platform that a client is asked to pull. */
export interface RequestedPlatform {
  readonly platform: Platform;
  /**
   * Whether no platform was requested explicitly. If so, `platform` is the platform of the host, which each client
   * detects itself. Default false.
   */
  readonly own?: boolean;
  /**
   * The level of the host's amd64 CPU, such as `v3`. If no platform was requested, some clients take it into account.
   */
  readonly level?: string | undefined;
}

/** Returns the entries of a list, with the entries of nested indexes in place of the indexes. */
export function imagesOf(entries: readonly Candidate[]): readonly Candidate[] {
  return entries.flatMap((entry) => (entry.entries === undefined ? [entry] : imagesOf(entry.entries)));
}

/**
 * Returns the platform in the descriptor or, if that is missing, in the image config; undefined if both are missing.
 */
export function effectivePlatform({ descriptor, stated }: Candidate): Platform | undefined {
  return descriptor.platform ?? stated;
}

/**
 * Returns the requested platform or, if none was requested, the platform of the host. The level of an amd64 host is
 * then the variant of its platform.
 */
export function hostPlatform({ platform, own, level }: RequestedPlatform): Platform {
  return own === true && level !== undefined && platform.architecture === 'amd64'
    ? { ...platform, variant: level }
    : platform;
}

export function platformName(platform: Platform | undefined): string {
  return platform === undefined ? 'no platform' : formatPlatform(platform, { all: true });
}
