import type { PlatformChange } from '../../draft/draft-edit.ts';
import { MlistError } from '../../errors/errors.ts';
import {
  isKnownArchitecture,
  resolveArchitecture,
  resolveOs,
  resolveVariant,
  suggestPlatform,
} from '../../oci/platform/aliases.ts';
import { parseFormattedPlatform, splitPlatforms, type Platform } from '../../oci/platform/platform.ts';

/**
 * Parses a platform. The architecture names of `uname`, Debian, Docker Hub and Node are converted to Go's names. An
 * architecture alone gets the operating system linux.
 * @throws MlistError `ERR_MLIST_PLATFORM_INVALID` if the text is empty or not a platform
 */
export function readPlatform(text: string): Platform {
  if (text.trim() === '') {
    throw new MlistError('ERR_MLIST_PLATFORM_INVALID', 'the platform is empty', {
      hint: 'Write it as OS/ARCH, such as linux/amd64.',
    });
  }
  const platform = parseFormattedPlatform(canonical(text), { default: { os: 'linux', architecture: '' } });
  if (isKnownArchitecture(resolveArchitecture(platform.os).architecture)) throw withoutOs(text, platform);
  if (platform.architecture !== '') return platform;
  throw new MlistError(
    'ERR_MLIST_PLATFORM_INVALID',
    `invalid platform ${JSON.stringify(text)}: the architecture is missing`,
    {
      hint: 'Write it as OS/ARCH, such as linux/amd64.',
    },
  );
}

/** Returns the error for a platform that begins with an architecture, such as `arm/v7` or `amd64/linux`. */
function withoutOs(text: string, { os, architecture, variant }: Platform): MlistError {
  const suggestion = suggestPlatform(os, architecture, variant);
  const message = `invalid platform ${JSON.stringify(text)}: ${os} is an architecture, not an operating system`;
  return new MlistError('ERR_MLIST_PLATFORM_INVALID', message, {
    hint:
      suggestion === undefined ? 'Write it as OS/ARCH[/VARIANT], such as linux/arm/v7.' : `Write it as ${suggestion}.`,
  });
}

/**
 * Parses the comma-separated platforms of a repeatable option.
 * @throws MlistError `ERR_MLIST_PLATFORM_INVALID` if a platform is invalid or empty. An empty platform is usually the
 *   value of an unset variable
 */
export function readPlatforms(texts: readonly string[]): readonly Platform[] {
  return texts
    .flatMap(splitPlatforms)
    .map((text) => text.trim())
    .map(readPlatform);
}

export interface Expected {
  /** The platforms that the list must have, in the order in which they were given. */
  readonly expect: readonly Platform[];
  /** Whether the list must also have all platforms of the list that it replaces. */
  readonly expectKept: boolean;
}

/**
 * Parses `--expect`: platforms, or `kept` for the platforms that the tag has now.
 * @throws MlistError `ERR_MLIST_PLATFORM_INVALID` if a platform is invalid
 */
export function readExpected(texts: readonly string[]): Expected {
  const words = texts.flatMap(splitPlatforms).map((text) => text.trim());
  return { expect: readPlatforms(words.filter((word) => word !== 'kept')), expectKept: words.includes('kept') };
}

/**
 * Parses the platforms that a client requests. Unlike `readPlatforms`, it keeps the variant v1 of amd64, because some
 * clients compare platforms as strings.
 */
export function readRequestedPlatforms(texts: readonly string[]): readonly Platform[] {
  return texts.flatMap(splitPlatforms).flatMap((text) => {
    const [platform] = readPlatforms([text]);
    if (platform === undefined) return [];
    const isV1 = platform.architecture === 'amd64' && /\/v1$/i.test(text.trim());
    return [isV1 ? { ...platform, variant: 'v1' } : platform];
  });
}

function canonical(text: string): string {
  const parts = text.split('/');
  if (parts.length > 3 || parts.includes('')) return text;
  const [first = '', second, third] = parts;
  if (second === undefined) return join(aliased(first));
  const os = /^[A-Za-z0-9_-]+$/.test(first) ? resolveOs(first) : first;
  return join([os, ...aliased(second, third)]);
}

function aliased(architecture: string, variant?: string): readonly (string | undefined)[] {
  const known = resolveArchitecture(architecture);
  if (known.architecture === architecture.toLowerCase()) return [architecture, variant];
  return [known.architecture, variant ?? known.variant];
}

/**
 * Joins the parts of a platform. A single part stays as it is, because the caller has to distinguish `linux` from
 * `arm64`. An alias such as `armv7l` has two parts, arm and v7, and gets the operating system linux.
 */
function join(parts: readonly (string | undefined)[]): string {
  const defined = parts.filter((part) => part !== undefined);
  return parts.length === 2 && defined.length === 2 && /^v\d/.test(defined[1] ?? '')
    ? `linux/${defined.join('/')}`
    : defined.join('/');
}

/** The new value of a field: a string sets the field, null clears it, undefined leaves it unchanged. */
export type ClearableText = string | null | undefined;

export function clearable(text: string | undefined): ClearableText {
  return text === '' ? null : text;
}

export interface TypedPlatform {
  readonly os?: ClearableText;
  readonly architecture?: ClearableText;
  readonly variant?: ClearableText;
  readonly 'os.version'?: ClearableText;
}

/**
 * Refuses whitespace and control characters, which usually come from an unset or wrong variable. Not used for
 * `os.version`, which may contain any characters.
 * @throws MlistError `ERR_MLIST_PLATFORM_INVALID` if the text contains such a character
 */
function refuseSpaces(text: ClearableText): void {
  if (text == null || !/[\s\p{Cc}]/u.test(text)) return;
  throw new MlistError(
    'ERR_MLIST_PLATFORM_INVALID',
    `invalid part of a platform: ${JSON.stringify(text)} contains whitespace or a control character`,
    {
      hint: "Remove these characters. To clear this part of the platform, pass ''.",
    },
  );
}

/**
 * Converts the platform options of `annotate` to canonical names. Also returns a note for the user about each
 * conversion, and about a variant that the architecture implies.
 */
export function canonicalPlatform(typed: TypedPlatform): {
  readonly platform: PlatformChange;
  readonly notes: readonly string[];
} {
  for (const text of [typed.os, typed.architecture, typed.variant]) refuseSpaces(text);
  const machine = typed.architecture == null ? undefined : resolveArchitecture(typed.architecture);
  const variant = typed.variant === undefined ? machine?.variant : typed.variant && resolveVariant(typed.variant);
  const platform: PlatformChange = {
    ...(typed.os === undefined ? {} : { os: typed.os && resolveOs(typed.os) }),
    ...(typed.architecture === undefined ? {} : { architecture: machine?.architecture ?? null }),
    ...(variant === undefined ? {} : { variant }),
    ...(typed['os.version'] === undefined ? {} : { 'os.version': typed['os.version'] }),
  };
  const notes = (['os', 'architecture', 'variant'] as const).flatMap((name) => {
    const [before, after] = [typed[name], platform[name]];
    return before != null && after != null && before !== after ? [`${before} is converted to ${after}`] : [];
  });
  const implied =
    typed.variant === undefined && machine?.variant !== undefined
      ? [`${String(typed.architecture)} implies the variant ${machine.variant}`]
      : [];
  return { platform, notes: [...notes, ...implied] };
}
