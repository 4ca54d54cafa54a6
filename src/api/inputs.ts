import { parseListName } from '../draft/workspace/draft-file.ts';
import { errorMessage, MlistError } from '../errors/errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { parseDigest, type Digest } from '../oci/digest.ts';
import { formatLocation, isLocalLocation, parseBareLocation, parseLocation, type Location } from '../oci/location.ts';
import { parsePlatform, type Platform } from '../oci/platform/platform.ts';
import { isTag, parseTypedReference, type Reference, type TagReference } from '../oci/reference.ts';
import type { OnEvent } from '../operations/events.ts';
import type { PushedTarget } from '../operations/push/push-target.ts';
import type { ManifestArgument } from '../operations/sources/read-source.ts';
import { isValueName, PlaceholderValues } from '../schema/placeholder-values.ts';
import { isArray, isObject, isText } from './option-checks.ts';

/** Options that every call accepts. */
export interface CallOptions {
  /** Aborts the call, which then rejects. The error of a push, copy or join lists what was written. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Receives progress, warnings and notes. Default: the `onEvent` of the client. If it throws, the call is aborted with
   * the thrown error as the reason.
   */
  readonly onEvent?: OnEvent | undefined;
}

/**
 * An image or an index for a list: a reference such as `ghcr.io/team/app:amd64`, or a location such as `oci:DIR:TAG`,
 * `oci-archive:FILE` or `docker-daemon:NAME`. The object form sets the platform of an image, or its exact descriptor in
 * the list.
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
  isArray(sources, 'sources');
  return sources.map((source) => {
    if (typeof source === 'string') return { location: parseLocation(source) };
    // A number or a boolean has no member `image`, so the check below refuses it.
    const { image, platform, descriptor } = (source as Exclude<Source, string> | null | undefined) ?? { image: source };
    isText(image, 'a source');
    if (platform !== undefined) isText(platform, `the platform of ${image}`);
    if (descriptor !== undefined) isObject(descriptor, `the descriptor of ${image}`);
    return { location: parseLocation(image), platform: parseOptionalPlatform(platform), described: descriptor };
  });
}

export function parsePlatforms(texts: readonly string[] = []): readonly Platform[] {
  return texts.map((text) => parsePlatform(text));
}

export function parseOptionalPlatform(text: string | undefined): Platform | undefined {
  return text === undefined ? undefined : parsePlatform(text);
}

/**
 * Formats a location so that it cannot be mistaken for the name of a draft: a reference gets the prefix `docker://`.
 */
export function explicitName(text: string): string {
  isText(text, 'the reference');
  const location = parseLocation(text);
  return formatLocation(location.kind === 'registry' ? { ...location, explicit: true } : location);
}

/**
 * Parses the target of a copy. A reference without a tag does not get the tag `latest`, because `copy` uses the tag of
 * the source.
 */
export function parseTarget(text: string): Location {
  isText(text, 'the target');
  return parseBareLocation(text);
}

/**
 * Parses the locations to read missing content from.
 * @throws MlistError `ERR_MLIST_USAGE` if `fillFrom` is given without `missing: 'fill'`
 */
export function parseFillFrom({
  missing,
  fillFrom,
}: {
  readonly missing?: string | undefined;
  readonly fillFrom?: readonly string[] | undefined;
}): readonly Location[] | undefined {
  if (fillFrom === undefined) return undefined;
  if (missing !== 'fill') throw new MlistError('ERR_MLIST_USAGE', "fillFrom needs missing: 'fill'");
  return fillFrom.map(parseBareLocation);
}

/**
 * Parses a reference.
 * @throws MlistError `ERR_MLIST_USAGE` if the text is a layout, an archive or an engine image
 */
export function parseRegistryReference(text: string): Reference {
  isText(text, 'the reference');
  if (!isLocalLocation(text)) return parseTypedReference(text.replace(/^docker:\/\//, ''));
  throw new MlistError('ERR_MLIST_USAGE', `${text} is not a reference in a registry`);
}

/**
 * Parses a reference with a tag; the default tag is `latest`.
 * @throws MlistError `ERR_MLIST_USAGE` if the text is a layout, an archive or an engine image
 */
export function parseTagReference(text: string): TagReference {
  isText(text, 'the target');
  if (isLocalLocation(text))
    throw new MlistError('ERR_MLIST_USAGE', `the target must be a tag in a registry, not ${text}`);
  const { tag = 'latest', ...reference } = parseListName(text);
  return { ...reference, tag };
}

/**
 * Parses the further tags of a push. A string with the syntax of a tag is treated as a tag, any other as a reference.
 * @throws MlistError `ERR_MLIST_USAGE` if a tag is empty
 */
export function parseTags(tags: readonly string[] = []): readonly string[] {
  if (tags.includes('')) throw new MlistError('ERR_MLIST_USAGE', 'a tag must not be empty');
  return tags.map((tag) => (isTag(tag) ? `:${tag}` : tag));
}

/**
 * Checks the further tags of a copy, and returns them unchanged.
 * @throws MlistError `ERR_MLIST_USAGE` if a tag is invalid
 */
export function parseTargetTags(tags: readonly string[] = []): readonly string[] {
  const invalid = tags.find((tag) => !isTag(tag));
  if (invalid === undefined) return tags;
  throw new MlistError('ERR_MLIST_USAGE', `invalid tag ${JSON.stringify(invalid)} in tags`);
}

/**
 * Checks the further targets of a draft, and returns them unchanged. Each is `:TAG` or a complete reference.
 * @throws MlistError `ERR_MLIST_USAGE` if a string is neither
 */
export function parseNames(names: readonly string[] = []): readonly string[] {
  const word = names.find((name) => !/[/:]./.test(name));
  if (word === undefined) return names;
  throw new MlistError('ERR_MLIST_USAGE', `${JSON.stringify(word)} in tags is neither ":TAG" nor a complete reference`);
}

export function parseIfDigest(text: string | undefined): Digest | 'absent' | undefined {
  return text === undefined || text === 'absent' ? text : parseDigest(text);
}

/**
 * Returns a spec as text: a string unchanged, an object as JSON.
 * @throws MlistError `ERR_MLIST_USAGE` if the spec is neither a string nor an object, or JSON cannot represent the object
 */
export function specText(spec: string | object): string {
  if (typeof spec === 'string') return spec;
  isObject(spec, 'the spec', 'a string or an object');
  try {
    return JSON.stringify(spec);
  } catch (cause) {
    throw new MlistError('ERR_MLIST_USAGE', `the spec cannot be converted to JSON: ${errorMessage(cause)}`, { cause });
  }
}

/**
 * Parses the values for the placeholders of a spec. Every value is treated as a secret, because it may be one.
 * @throws MlistError `ERR_MLIST_USAGE` if a name is invalid
 */
export function parseValues(values: Readonly<Record<string, string>> | undefined): PlaceholderValues | undefined {
  if (values === undefined) return undefined;
  const invalid = Object.keys(values).find((name) => !isValueName(name));
  if (invalid !== undefined)
    throw new MlistError('ERR_MLIST_USAGE', `invalid placeholder name: ${JSON.stringify(invalid.slice(0, 200))}`, {
      hint: 'A name consists of letters, digits and _, and does not begin with a digit.',
    });
  const given = Object.entries(values).map(([name, text]) => [name, { text, isSecret: true }] as const);
  return new PlaceholderValues(new Map(given));
}

/** The result of a push for one tag. */
export type PushedTag = Omit<PushedTarget, 'plan'>;

export function toPushedTag({ reference, status, before, lost }: PushedTarget): PushedTag {
  return { reference, status, ...(before && { before }), ...(lost && { lost }) };
}
