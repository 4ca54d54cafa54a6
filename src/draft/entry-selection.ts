import { MlistError } from '../errors/errors.ts';
import { shortDigest, shortImageId } from '../oci/digest.ts';
import { parseLocation, sameLocation } from '../oci/location.ts';
import { formatPlatform, normalizePlatform, type Platform } from '../oci/platform/platform.ts';
import { isDigestAlone, sameRepository, withTag, type Reference } from '../oci/reference.ts';
import {
  isAttestationEntry,
  isUnpushed,
  listName,
  platformOf,
  sourceName,
  type Draft,
  type Entry,
  type PlatformSettings,
} from './draft.ts';

/** This file finds the entries of a draft that the arguments of a command refer to. */

/** A digest, or a prefix with at least 8 hex digits. Shorter strings of hex digits are often names. */
const DIGEST_PREFIX = /^(?:sha256:)?([0-9a-f]{8,64})$/;
const SHORT_PREFIX = /^(?:sha256:)?[0-9a-f]{1,7}$/;

/**
 * Returns the end of the error message for an entry that was not found, if its name may be a digest prefix that is too
 * short. Otherwise returns the empty string.
 */
export function digestTooShort(name: string): string {
  return SHORT_PREFIX.test(name) ? ': a digest prefix needs at least 8 hex digits' : '';
}

/** Whether the name is the digest, or a prefix of it with at least 8 hex digits. */
export function isPrefixOf(name: string, digest: string): boolean {
  const prefix = DIGEST_PREFIX.exec(name)?.[1];
  return name === digest || (prefix !== undefined && digest.startsWith(`sha256:${prefix}`));
}

/** Returns the entries that a MANIFEST argument refers to: by digest, by a digest prefix, or by source. */
export function entriesNamed(draft: Draft, manifest: string): readonly Entry[] {
  const byDigest = draft.entries.filter(({ digest }) => isPrefixOf(manifest, digest));
  return byDigest.length > 0 || isDigestAlone(manifest) ? byDigest : entriesFrom(draft, manifest);
}

function entriesFrom(draft: Draft, manifest: string): readonly Entry[] {
  const location = parseLocation(manifest);
  const same = draft.entries.filter((entry) => sameLocation(entry.source, location));
  if (same.length > 0 || location.kind !== 'registry') return same;
  return draft.entries.filter((entry) => isContentOf(entry, location.reference));
}

/** Whether `repo@digest` refers to the entry's manifest, even if the entry was read by a tag. */
function isContentOf({ source, ...entry }: Entry, { digest, ...name }: Reference): boolean {
  if (entry.digest !== digest) return false;
  return source.kind === 'registry' && sameRepository(source.reference, withTag(name, 'latest'));
}

/**
 * Whether an entry matches `--platform`: os, architecture and variant are equal after normalisation, and the entry has
 * the requested version and features.
 */
export function matchesPlatform(entry: Platform | undefined, requested: Platform): boolean {
  if (entry === undefined) return false;
  const has = normalizePlatform(entry);
  const want = normalizePlatform(requested);
  return (
    has.os === want.os &&
    has.architecture === want.architecture &&
    has.variant === want.variant &&
    isOfVersion(has['os.version'] ?? '', want['os.version'] ?? '') &&
    (want['os.features'] ?? []).every((feature) => has['os.features']?.includes(feature))
  );
}

/**
 * Describes a requested platform that is missing. If there are images for the platform in other versions, these
 * versions are listed.
 */
export function platformNotFoundText(requested: Platform, available: readonly Platform[]): string {
  const text = formatPlatform(requested, { all: true });
  const { os, architecture, variant } = requested;
  const others = available.filter((one) =>
    matchesPlatform(one, { os, architecture, ...(variant === undefined ? {} : { variant }) }),
  );
  if (requested['os.version'] === undefined || others.length === 0) return text;
  const versions = others.map((one) => one['os.version'] ?? 'unspecified');
  return `${text} (available versions: ${versions.join(', ')})`;
}

function isOfVersion(has: string, requested: string): boolean {
  return requested === '' || has === requested || has.startsWith(`${requested}.`);
}

/**
 * Whether the entry is selected by platform options alone: it has the given os and architecture, and no values that
 * differ from the other options.
 * @param given - the values of the options, which are then set on the selected entry
 */
export function matchesShortForm(entry: Entry, given: PlatformSettings): boolean {
  const platform = platformOf(entry);
  if (platform === undefined || isAttestationEntry(entry)) return false;
  const has = normalizePlatform(platform);
  return (
    (given.os == null || has.os === given.os) &&
    (given.architecture == null || has.architecture === given.architecture) &&
    isOpenTo(platform.variant, given.variant, has.variant) &&
    isOpenTo(has['os.version'], given['os.version']) &&
    mayHaveVariant(has.architecture, given)
  );
}

function isOpenTo(raw: string | undefined, given: string | null | undefined, normal = raw): boolean {
  return !raw || given == null || raw === given || normal === given;
}

/**
 * Whether the entry's architecture can have the given variant. If no architecture is given, v5 to v8 are variants of
 * arm and arm64 only.
 */
function mayHaveVariant(architecture: string, given: PlatformSettings): boolean {
  if (given.architecture != null || given.variant == null || !/^v[5-8]$/.test(given.variant)) return true;
  return architecture === 'arm' || architecture === 'arm64';
}

/** Describes an entry in messages. */
export function describeEntry(entry: Entry): string {
  const platform = platformOf(entry);
  const name = isAttestationEntry(entry)
    ? 'attestation'
    : platform === undefined
      ? 'no platform'
      : formatPlatform(platform, { all: true });
  const content = isUnpushed(entry) ? `image ${shortImageId(entry.digest)}` : shortDigest(entry.digest);
  return `${sourceName(entry)} (${name}, ${content})`;
}

export function entryNotFound(draft: Draft, what: string): MlistError {
  const images = draft.entries.filter((entry) => !isAttestationEntry(entry));
  const available = images.map(describeEntry).join(', ');
  return new MlistError('ERR_MLIST_ENTRY_NOT_FOUND', `${listName(draft)} has no entry ${what}${digestTooShort(what)}`, {
    reference: listName(draft),
    hint: images.length === 0 ? 'The list has no images.' : `Available images: ${available}.${otherNames(images)}`,
  });
}

/**
 * Explains how to select entries that come from an index. They all have the index as their source, so only a platform
 * or digest distinguishes them.
 */
function otherNames(images: readonly Entry[]): string {
  const entry = images.find(({ via }) => via !== undefined);
  if (entry === undefined) return '';
  const platform = platformOf(entry);
  const selected =
    platform === undefined ? '' : ` by platform (--platform '${formatPlatform(platform, { all: true })}') or`;
  return ` Select an image from an index${selected} by digest (${shortDigest(entry.digest)}).`;
}
