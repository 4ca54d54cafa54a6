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

/** Platforms as people type them: with the names that `uname`, Debian, Docker Hub and Node have for architectures. */

/**
 * Reads a platform; an architecture alone is one of linux.
 * @throws MlistError `ERR_MLIST_PLATFORM_INVALID`
 */
export function readPlatform(text: string): Platform {
  if (text.trim() === '') {
    throw new MlistError('ERR_MLIST_PLATFORM_INVALID', 'a platform is empty', {
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

/** An architecture where the operating system belongs: `arm/v7`, `amd64/linux`. */
function withoutOs(text: string, { os, architecture, variant }: Platform): MlistError {
  const meant = suggestPlatform(os, architecture, variant);
  const message = `invalid platform ${JSON.stringify(text)}: ${os} is an architecture and no operating system`;
  return new MlistError('ERR_MLIST_PLATFORM_INVALID', message, {
    hint: meant === undefined ? 'Write it as OS/ARCH[/VARIANT], such as linux/arm/v7.' : `Write it as ${meant}.`,
  });
}

/**
 * Platforms separated by commas, from an option that may be repeated. An empty one, usually from a variable that is not
 * set, is refused.
 * @throws MlistError `ERR_MLIST_PLATFORM_INVALID`
 */
export function readPlatforms(texts: readonly string[]): readonly Platform[] {
  return texts
    .flatMap(splitPlatforms)
    .map((text) => text.trim())
    .map(readPlatform);
}

export interface Expected {
  /** Platforms that the list must have. */
  readonly expect: readonly Platform[];
  /** The list must have all platforms of the list that it replaces. */
  readonly expectKept: boolean;
}

/**
 * `--expect`: platforms, and `kept` for those that the tag has now.
 * @throws MlistError `ERR_MLIST_PLATFORM_INVALID`
 */
export function readExpected(texts: readonly string[]): Expected {
  const words = texts.flatMap(splitPlatforms).map((text) => text.trim());
  return { expect: readPlatforms(words.filter((word) => word !== 'kept')), expectKept: words.includes('kept') };
}

/**
 * Platforms as clients request them. An explicit v1 of amd64, which is left out elsewhere, is kept: some clients compare
 * the text.
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

/** One part stays one, so that `linux` and `arm64` are told apart; `armv7l` needs its operating system. */
function join(parts: readonly (string | undefined)[]): string {
  const there = parts.filter((part) => part !== undefined);
  return parts.length === 2 && there.length === 2 && /^v\d/.test(there[1] ?? '')
    ? `linux/${there.join('/')}`
    : there.join('/');
}

/** What was typed for an option that clears when it is empty. */
export type Typed = string | null | undefined;

export function clearable(text: string | undefined): Typed {
  return text === '' ? null : text;
}

export interface TypedPlatform {
  readonly os?: Typed;
  readonly architecture?: Typed;
  readonly variant?: Typed;
  readonly 'os.version'?: Typed;
}

/**
 * No name of a platform holds white space or what a terminal would obey: a variable was filled with the wrong thing.
 * Versions are free text, which the list keeps as it is.
 */
function refuseSpaces(text: Typed): void {
  if (text == null || !/[\s\p{Cc}]/u.test(text)) return;
  throw new MlistError('ERR_MLIST_PLATFORM_INVALID', `${JSON.stringify(text)} is no word of a platform`, {
    hint: "Write it without white space, or '' to clear it.",
  });
}

/** The options of `annotate` in canonical words, and what was understood by the words that were typed. */
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
    return before != null && after != null && before !== after ? [`${before} is taken for ${after}`] : [];
  });
  const implied =
    typed.variant === undefined && machine?.variant !== undefined
      ? [`${String(typed.architecture)} implies the variant ${machine.variant}`]
      : [];
  return { platform, notes: [...notes, ...implied] };
}
