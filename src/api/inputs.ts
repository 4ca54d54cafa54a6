import { parseListName } from '../draft/workspace/draft-file.ts';
import { MlistError } from '../errors/errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { parseDigest, type Digest } from '../oci/digest.ts';
import { formatLocation, isLocalLocation, parseBareLocation, parseLocation, type Location } from '../oci/location.ts';
import { parsePlatform, type Platform } from '../oci/platform/platform.ts';
import { isTag, parseTypedReference, type Reference, type TagReference } from '../oci/reference.ts';
import type { OnEvent } from '../operations/events.ts';
import type { PushedTarget } from '../operations/push/push-target.ts';
import type { ManifestArgument } from '../operations/sources/resolve-source.ts';
import { requireArray, requireText } from './api-call.ts';

/** Options of every call. */
export interface CallOptions {
  /** Aborts the call; it rejects with an `MlistError` that lists what was written. */
  readonly signal?: AbortSignal | undefined;
  /** Receives progress, warnings and notes. Default: the `onEvent` of the client. */
  readonly onEvent?: OnEvent | undefined;
}

/**
 * An image or an index for a list: a reference such as `ghcr.io/team/app:amd64`, or a location such as `oci:DIR:TAG` or
 * `oci-archive:FILE`. The object form states the platform of an image, or the exact descriptor to list.
 */
export type Source =
  | string
  | {
      readonly image: string;
      /** `OS/ARCH[/VARIANT]`, such as `linux/arm/v7`. */
      readonly platform?: string | undefined;
      readonly descriptor?: Descriptor | undefined;
    };

export function parseSources(sources: readonly Source[]): readonly ManifestArgument[] {
  requireArray(sources, 'sources');
  return sources.map((source) => {
    if (typeof source === 'string') return { location: parseLocation(source) };
    // A value of another type has no member `image`.
    const { image, platform, descriptor } = (source as Exclude<Source, string> | null | undefined) ?? { image: source };
    requireText(image, 'a source');
    return { location: parseLocation(image), platform: parseOptionalPlatform(platform), described: descriptor };
  });
}

export function parsePlatforms(texts: readonly string[] = []): readonly Platform[] {
  requireArray(texts, 'platforms');
  return texts.map(parsePlatformText);
}

export function parseOptionalPlatform(text: string | undefined): Platform | undefined {
  return text === undefined ? undefined : parsePlatformText(text);
}

function parsePlatformText(text: string): Platform {
  requireText(text, 'a platform');
  return parsePlatform(text);
}

/** The location as text that is never the name of a draft. */
export function explicitName(text: string): string {
  requireText(text, 'the reference');
  const location = parseLocation(text);
  return formatLocation(location.kind === 'registry' ? { ...location, explicit: true } : location);
}

/** A copy target; without a tag it gets the tag of the source. */
export function parseTarget(text: string): Location {
  requireText(text, 'the target');
  return parseBareLocation(text);
}

/** @throws MlistError `ERR_MLIST_USAGE` for a layout or an archive */
export function parseRegistryReference(text: string): Reference {
  requireText(text, 'the reference');
  if (!isLocalLocation(text)) return parseTypedReference(text.replace(/^docker:\/\//, ''));
  throw new MlistError('ERR_MLIST_USAGE', `${text} is not in a registry`);
}

/** @throws MlistError `ERR_MLIST_USAGE` for a layout or an archive */
export function parseTagReference(text: string): TagReference {
  requireText(text, 'the target');
  if (isLocalLocation(text)) throw new MlistError('ERR_MLIST_USAGE', `${text} is not a tag in a registry`);
  const { tag = 'latest', ...reference } = parseListName(text);
  return { ...reference, tag };
}

/** The further tags of a push: a word is a tag, anything else a reference. */
export function parseTags(tags: readonly string[] = []): readonly string[] {
  requireArray(tags, 'tags');
  return tags.map((tag) => {
    requireText(tag, 'a tag');
    return isTag(tag) ? `:${tag}` : tag;
  });
}

export function parseIfDigest(text: string | undefined): Digest | 'absent' | undefined {
  if (text === undefined || text === 'absent') return text;
  requireText(text, 'ifDigest');
  return parseDigest(text);
}

/** What happened to one tag of a push. */
export type PushedTag = Omit<PushedTarget, 'plan'>;

export function toPushedTag({ reference, status, before, lost }: PushedTarget): PushedTag {
  return { reference, status, ...(before && { before }), ...(lost && { lost }) };
}
