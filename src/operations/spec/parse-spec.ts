import type { EntryChange } from '../../draft/draft-edit.ts';
import { parseListName } from '../../draft/workspace/draft-file.ts';
import { asMlistError, MlistError, type Problem } from '../../errors/errors.ts';
import { pointerTo } from '../../json/pointer.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { isDigestName } from '../../oci/digest.ts';
import { digestIn, type Location, parseLocation } from '../../oci/location.ts';
import { resolveArchitecture, resolveOs } from '../../oci/platform/aliases.ts';
import type { Platform } from '../../oci/platform/platform.ts';
import { formatReference, isTag, type Reference } from '../../oci/reference.ts';
import type { MissingPolicy } from '../publish/fill.ts';
import { targetsOf } from '../publish/target.ts';
import { digestOnlyArgument } from '../sources/parse-sources.ts';
import type { PlaceholderValues } from '../../schema/placeholder-values.ts';
import type { CopySpec, EntrySpec, ListSpec, EntriesSpec, ManifestSpec, PlatformSpec, SpecDocument } from './spec.ts';
import { error } from '../../schema/problems.ts';

/**
 * What the caller provides: the parsers for locations and platforms (the caller knows the base folder for relative
 * paths), the values for placeholders, and the default policy for missing content.
 */
export interface SpecParsing extends Pick<MissingPolicy, 'missing' | 'fillFrom'> {
  /** The values for `${NAME}`. If they are undefined, `${` has no special meaning. */
  readonly values?: PlaceholderValues | undefined;
  readonly location: (text: string) => Location;
  readonly platform: (text: string) => Platform;
}

export type ParsedSpec = { readonly spec: ListSpec } | { readonly problems: readonly Problem[] };

/** Parses a document that the schema has accepted. Returns the spec, or all problems. This is a pure function. */
export function parseSpec(document: SpecDocument, parsing: SpecParsing): ParsedSpec {
  const parser = new SpecParser(parsing);
  const spec = parser.list(document);
  return spec === undefined || parser.problems.length > 0 ? { problems: eachOnce(parser.problems) } : { spec };
}

/**
 * Removes duplicate problems: an invalid template has the same problem for each platform, and an invalid platform has
 * the same problem for each template.
 */
function eachOnce(problems: readonly Problem[]): readonly Problem[] {
  return [...new Map(problems.map((problem) => [`${problem.pointer} ${problem.message}`, problem])).values()];
}

class SpecParser {
  readonly problems: Problem[] = [];
  readonly #parsing: SpecParsing;
  #list: Reference | undefined;

  constructor(parsing: SpecParsing) {
    this.#parsing = parsing;
  }

  list(document: SpecDocument): ListSpec | undefined {
    const list = this.#try('/list', () => parseListName(document.list));
    this.#list = list;
    const tags = (document.tags ?? []).flatMap((tag, at) => this.#tag(tag, list, pointerTo('tags', at)) ?? []);
    const content = document.copy === undefined ? this.#entries(document) : this.#copy(document.copy, document);
    return list && content && { list, name: formatReference(list), tags, content };
  }

  #copy(from: string, document: SpecDocument): CopySpec | undefined {
    const beside = Object.keys(document).filter(
      (name) => !['list', 'tags', 'copy', 'missing', 'fillFrom'].includes(name),
    );
    for (const name of beside)
      this.#refuse(pointerTo(name), 'cannot be combined with "copy", which copies the list unchanged');
    const location = this.#try('/copy', () => this.#location(from));
    return location && { kind: 'copy', from: location, ...this.#policy(document) };
  }

  #entries(document: SpecDocument): EntriesSpec | undefined {
    const { manifests, ignoreMissing, annotations, artifactType, subject, platforms } = document;
    if (manifests === undefined) {
      this.#refuse('', 'must have "manifests" or "copy"');
      return undefined;
    }
    // All platforms are checked, including platforms that no image uses.
    for (const [at, text] of (platforms ?? []).entries()) this.#platform(text, pointerTo('platforms', at));
    const isUsed = manifests.some((one) => hasPlaceholder(typeof one === 'string' ? one : one.image));
    if (platforms !== undefined && !isUsed) this.#refuse('/platforms', 'is not used: no image has a placeholder');
    return {
      kind: 'entries',
      format: document.format ?? 'auto',
      annotations,
      artifactType,
      subject: typeof subject === 'string' ? this.#try('/subject', () => this.#location(subject)) : subject,
      entries: manifests.flatMap((manifest, at) => this.#manifest(manifest, at, document)),
      minimum: ignoreMissing?.minimum,
      expect: (document.expect ?? []).flatMap((text, at) => this.#platform(text, pointerTo('expect', at)) ?? []),
      allowDuplicates: document.allowDuplicates ?? false,
    };
  }

  #manifest(given: string | ManifestSpec, at: number, document: SpecDocument): readonly EntrySpec[] {
    const manifest: ManifestSpec = typeof given === 'string' ? { image: given } : given;
    const pointer = pointerTo('manifests', at);
    const image = typeof given === 'string' ? pointer : `${pointer}/image`;
    if (manifest.mediaType !== undefined) return this.#exact(manifest, pointer, document);
    if (hasPlaceholder(manifest.image)) return this.#template(manifest, image, pointer, document);
    if (manifest.platforms !== undefined)
      this.#refuse(`${pointer}/platforms`, 'is not used: the image has no placeholder ({os}, {arch} or {variant})');
    const location = this.#try(image, () => this.#location(manifest.image));
    const { platform } = manifest;
    const whole = typeof platform === 'string' ? this.#platform(platform, `${pointer}/platform`) : undefined;
    return location === undefined ? [] : [this.#entry(location, manifest, whole, document)];
  }

  #entry(
    location: Location,
    manifest: ManifestSpec,
    platform: Platform | undefined,
    document: SpecDocument,
  ): EntrySpec {
    const attestations = manifest.attestations ?? document.attestations ?? 'keep';
    return { location, platform, change: changeOf(manifest), attestations, ...this.#policy(document) };
  }

  /**
   * Returns the policy for content that a source lacks. If the spec lacks `missing` or `fillFrom`, the values of the
   * caller are used.
   */
  #policy({ missing, fillFrom }: SpecDocument): Pick<EntrySpec, 'missing' | 'fillFrom'> {
    const chosen = missing ?? this.#parsing.missing;
    if (fillFrom === undefined) return { missing: chosen, fillFrom: this.#parsing.fillFrom };
    if (chosen !== 'fill') this.#refuse('/fillFrom', 'requires "missing: fill"');
    const locations = fillFrom.flatMap(
      (text, at) => this.#try(pointerTo('fillFrom', at), () => this.#location(text)) ?? [],
    );
    return { missing: chosen, fillFrom: locations };
  }

  /** Returns the entries of an image with placeholders: one for each platform. */
  #template(manifest: ManifestSpec, image: string, pointer: string, document: SpecDocument): readonly EntrySpec[] {
    if (manifest.platform !== undefined)
      this.#refuse(`${pointer}/platform`, 'cannot be combined with placeholders in the image: use "platforms"');
    const own = manifest.platforms;
    const platforms = own ?? document.platforms;
    if (platforms === undefined) {
      this.#refuse(image, 'has placeholders, but there are no "platforms"');
      return [];
    }
    return platforms.flatMap((text, at) => {
      const platform = this.#platform(text, (own === undefined ? '' : pointer) + pointerTo('platforms', at));
      if (platform === undefined) return [];
      const location = this.#try(image, () => this.#parsing.location(expandTemplate(manifest.image, platform)));
      return location === undefined ? [] : [this.#entry(location, manifest, platform, document)];
    });
  }

  /** Returns the entry with a complete descriptor (as `export` writes it), or an empty array if it is invalid. */
  #exact(manifest: ManifestSpec, pointer: string, document: SpecDocument): readonly EntrySpec[] {
    const { mediaType = '', size = 0, platform, annotations, artifactType, urls, data } = manifest;
    for (const name of ['platforms', 'attestations'] as const)
      if (manifest[name] !== undefined) this.#refuse(`${pointer}/${name}`, 'cannot be combined with "mediaType"');
    const location = this.#try(`${pointer}/image`, () => this.#location(manifest.image));
    const digest = location && digestIn(location);
    if (location !== undefined && digest === undefined)
      this.#refuse(`${pointer}/image`, 'must have a digest, since "mediaType" and "size" describe one manifest');
    const stated = this.#exactPlatform(platform, `${pointer}/platform`);
    if (location === undefined || digest === undefined) return [];
    const exact: Descriptor = {
      mediaType,
      digest,
      size,
      ...(urls === undefined ? {} : { urls }),
      ...(annotations === undefined ? {} : { annotations }),
      ...(data === undefined ? {} : { data }),
      ...(stated === undefined ? {} : { platform: stated }),
      ...(artifactType === undefined ? {} : { artifactType }),
    };
    return [{ location, attestations: 'keep', exact, ...this.#policy(document) }];
  }

  #exactPlatform(platform: ManifestSpec['platform'], pointer: string): Platform | undefined {
    if (platform === undefined || platform === null) return undefined;
    if (typeof platform === 'string') return this.#platform(platform, pointer);
    const isWhole = typeof platform.os === 'string' && typeof platform.architecture === 'string';
    const isClear = Object.values(platform).includes(null);
    if (isWhole && !isClear) return platform as Platform;
    this.#refuse(pointer, 'must have os and architecture and must not contain null, because "mediaType" is set');
    return undefined;
  }

  #tag(text: string, list: Reference | undefined, pointer: string): string | undefined {
    const tag = isTag(text) ? `:${text}` : text;
    if (list === undefined) return undefined;
    return this.#try(pointer, () => {
      targetsOf(list, [tag], []);
      if (parseLocation(tag.startsWith(':') ? `a${tag}` : tag).kind === 'registry') return tag;
      this.#refuse(pointer, 'must be a tag or a registry reference: lists can be applied only to registries');
      return undefined;
    });
  }

  /** Parses a location. A digest without a repository refers to the repository of the list. */
  #location(text: string): Location {
    if (this.#list === undefined || !isDigestName(text)) return this.#parsing.location(text);
    return digestOnlyArgument(this.#list, text).location;
  }

  #platform(text: string, pointer: string): Platform | undefined {
    return this.#try(pointer, () => this.#parsing.platform(text));
  }

  #try<T>(pointer: string, work: () => T): T | undefined {
    try {
      return work();
    } catch (thrown) {
      const { code, message, hint } = asMlistError(thrown);
      const advice = code === 'ERR_MLIST_REFERENCE_INVALID' && hint !== undefined ? `. ${hint}` : '';
      this.#refuse(pointer, message + advice);
      return undefined;
    }
  }

  #refuse(pointer: string, message: string): void {
    this.problems.push(error('E-SPEC', pointer, message));
  }
}

/**
 * Returns the changes to an entry, or undefined if nothing changes. A platform that is a string is not a change,
 * because it replaces the whole platform.
 */
function changeOf({ platform, annotations, artifactType }: ManifestSpec): EntryChange | undefined {
  const isPartial = typeof platform === 'object' && platform !== null;
  if (!isPartial && annotations === undefined && artifactType === undefined) return undefined;
  return { ...(isPartial ? platformChange(platform) : {}), annotations, artifactType };
}

function platformChange({ 'os.features': features, ...rest }: PlatformSpec): EntryChange {
  const machine = rest.architecture == null ? undefined : resolveArchitecture(rest.architecture);
  const variant = rest.variant === undefined ? machine?.variant : rest.variant;
  const platform = {
    ...rest,
    ...(machine === undefined ? {} : { architecture: machine.architecture }),
    ...(rest.os == null ? {} : { os: resolveOs(rest.os) }),
    ...(variant === undefined ? {} : { variant }),
  };
  return { platform, ...(features === undefined ? {} : { features: { clear: true, add: features ?? [] } }) };
}

/** Whether a string contains a brace. `expandTemplate` reports invalid placeholders and unmatched braces. */
export function hasPlaceholder(text: string): boolean {
  return /[{}]/.test(text);
}

/**
 * Replaces the placeholders with the values of a platform. A missing variant is replaced with the empty string.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` if a placeholder is unknown, or a brace is unmatched
 */
function expandTemplate(template: string, { os, architecture, variant = '' }: Platform): string {
  const values: Readonly<Record<string, string>> = { os, arch: architecture, variant };
  const filled = template.replace(/\{([^{}]*)\}/g, (whole, name: string) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value === undefined) throw refused(`unknown placeholder ${whole}: use {os}, {arch} or {variant}`);
    return value;
  });
  if (/[{}]/.test(filled)) throw refused(`unmatched brace in ${JSON.stringify(template)}`);
  return filled;
}

function refused(message: string): MlistError {
  return new MlistError('ERR_MLIST_DOCUMENT_INVALID', message);
}
