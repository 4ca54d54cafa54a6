import type { Descriptor } from '../oci/descriptor.ts';
import { formatPlatform, type Platform } from '../oci/platform/platform.ts';

/** A list with all content that clients read to select an image. */
export interface CandidateList {
  /**
   * Clients may have different rules for Docker lists and OCI indexes. For a single image, this is the type of its
   * manifest, and `entries` contains only the image.
   */
  readonly mediaType: string;
  readonly entries: readonly Candidate[];
}

/** An entry of a list. */
export interface Candidate {
  /** Position, counted from 1: `2`, or `2.1` for the first entry of the index at position 2. */
  readonly place: string;
  readonly descriptor: Descriptor;
  /** The platform in the image config. It is only read if the descriptor has no platform. */
  readonly stated?: Platform;
  /** The entries of a nested index. */
  readonly entries?: readonly Candidate[];
  /** The reason why the manifest or the config cannot be read. */
  readonly fault?: string;
}

/** The platform that a client is requested to pull. */
export interface RequestedPlatform {
  readonly platform: Platform;
  /**
   * Whether no platform was requested. `platform` is then that of the host, which each client detects itself. Default
   * false.
   */
  readonly own?: boolean;
  /** The level of the host's amd64 CPU, such as `v3`. Some clients consider it if no platform was requested. */
  readonly level?: string | undefined;
}

/** All entries of a list that are not indexes, including those of nested indexes. */
export function imagesOf(entries: readonly Candidate[]): readonly Candidate[] {
  return entries.flatMap((entry) => (entry.entries === undefined ? [entry] : imagesOf(entry.entries)));
}

/** The platform of the descriptor, or else that of the image config; undefined if both are missing. */
export function effectivePlatform({ descriptor, stated }: Candidate): Platform | undefined {
  return descriptor.platform ?? stated;
}

/** The platform of the host, including the level of its CPU. */
export function hostPlatform({ platform, own, level }: RequestedPlatform): Platform {
  return own === true && level !== undefined && platform.architecture === 'amd64'
    ? { ...platform, variant: level }
    : platform;
}

export function platformName(platform: Platform | undefined): string {
  return platform === undefined ? 'no platform' : formatPlatform(platform, { all: true });
}
