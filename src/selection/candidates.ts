import type { Descriptor } from '../oci/descriptor.ts';
import { formatPlatform, type Platform } from '../oci/platform/platform.ts';

/** A list as clients meet it: its entries in their order, with what a client finds where it looks further. */
export interface CandidateList {
  /** Some clients have other rules for Docker lists than for OCI indexes. A single image is the one entry of itself. */
  readonly mediaType: string;
  readonly entries: readonly Candidate[];
}

/** An entry of a list. */
export interface Candidate {
  /** Where it stands, counted from 1: `2`, or `2.1` for the first entry of the index that is entry 2. */
  readonly place: string;
  readonly descriptor: Descriptor;
  /** What the config of the image states; looked up only where no entry states a platform. */
  readonly stated?: Platform;
  /** Its own entries, where it is an index. */
  readonly entries?: readonly Candidate[];
  /** Why nobody can look further: the manifest or the config is not there, or cannot be read. */
  readonly fault?: string;
}

/** What a client is asked for. */
export interface RequestedPlatform {
  readonly platform: Platform;
  /** Nothing is asked for: the platform is that of the machine, which each client finds out for itself. */
  readonly own?: boolean;
  /** The level of the machine's amd64 CPU, such as `v3`: some clients look for it where nothing is asked for. */
  readonly level?: string | undefined;
}

/** All images of a list, also those of indexes in it. */
export function imagesOf(entries: readonly Candidate[]): readonly Candidate[] {
  return entries.flatMap((entry) => (entry.entries === undefined ? [entry] : imagesOf(entry.entries)));
}

/** What an entry runs on, as far as anybody says: the list, else the image itself. */
export function effectivePlatform({ descriptor, stated }: Candidate): Platform | undefined {
  return descriptor.platform ?? stated;
}

/** The platform that the machine of a client really has. */
export function hostPlatform({ platform, own, level }: RequestedPlatform): Platform {
  return own === true && level !== undefined && platform.architecture === 'amd64'
    ? { ...platform, variant: level }
    : platform;
}

export function platformName(platform: Platform | undefined): string {
  return platform === undefined ? 'no platform' : formatPlatform(platform, { all: true });
}
