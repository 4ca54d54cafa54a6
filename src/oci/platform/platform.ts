import { posix } from 'node:path';
import { MlistError } from '../../errors/errors.ts';
import { isKnownArchitecture, isKnownOs } from './aliases.ts';

/**
 * The platform of a manifest (image-spec v1.1.1 image-index.md "platform"). Optional members are omitted if they are
 * empty.
 */
export interface Platform {
  readonly architecture: string;
  readonly os: string;
  readonly 'os.version'?: string;
  readonly 'os.features'?: readonly string[];
  readonly variant?: string;
}

export interface ParsePlatformOptions {
  /**
   * Completes a specifier with only one part (`linux`, `arm64`). Without it, such a specifier is an error. The platform
   * of the host is never used.
   */
  readonly default?: { readonly os: string; readonly architecture: string; readonly variant?: string } | undefined;
}

const osPart = /^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.%-]*)((?:\+[A-Za-z0-9_.%-]+)*)\))?$/;
const otherPart = /^[A-Za-z0-9_.-]+$/;

/**
 * Parses `os[(version[+feature]*)][/architecture[/variant]]` as containerd/platforms v1.0.0-rc.4 does.
 * @throws MlistError `ERR_MLIST_PLATFORM_INVALID` if the text is not a platform
 */
export function parsePlatform(text: string, options: ParsePlatformOptions = {}): Platform {
  if (text.includes('*')) throw invalid(text, 'wildcards are not supported');
  const [first = '', architecture, variant, ...more] = text.split('/', 5);
  const match = osPart.exec(first);
  if (match === null) throw invalid(text, `${quoted(first)} is not a valid operating system`);
  const invalidPart = [architecture, variant, ...more].find((part) => part !== undefined && !otherPart.test(part));
  if (invalidPart !== undefined) {
    throw invalid(text, `${quoted(invalidPart)} is not a valid architecture or variant`);
  }
  if (more.length > 0) throw invalid(text, 'it has more than three parts');
  const os = normalizeOs(match[1] ?? '');
  const version = decodeOption(text, match[2] ?? '');
  const features = (match[3] ?? '')
    .split('+')
    .slice(1)
    .map((feature) => decodeOption(text, feature));
  const build = { version, features: features.filter((feature) => feature !== '') };
  if (architecture === undefined) return completed(text, first, { os, ...build }, options);
  if (variant === undefined) return platformOf({ os, ...withoutV7(normalizeArchitecture(architecture, '')), ...build });
  const exact = normalizeArchitecture(architecture, variant);
  const isV8 = exact.architecture === 'arm64' && exact.variant === '';
  return platformOf({ os, ...exact, ...(isV8 ? { variant: 'v8' } : {}), ...build });
}

/**
 * Parses a platform as `formatPlatform` writes it. containerd's grammar requires percent-encoding for characters such
 * as the space in `linux(Ubuntu 16.04.7)/amd64`, but neither containerd nor `formatPlatform` encodes them.
 * @throws MlistError `ERR_MLIST_PLATFORM_INVALID` if the text is not a platform
 */
export function parseFormattedPlatform(text: string, options: ParsePlatformOptions = {}): Platform {
  const encoded = text.replace(/(?<=^[^()]*\()[^()]*(?=\))/, (version) =>
    version.replace(/[^A-Za-z0-9_.%+*\p{Cc}-]/gu, percent),
  );
  return parsePlatform(encoded, options);
}

function percent(character: string): string {
  return Array.from(Buffer.from(character), (byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
}

/** Splits a comma-separated list of platforms. Commas inside parentheses belong to an os.version. */
export function splitPlatforms(text: string): readonly string[] {
  return text.split(/,(?![^()]*\))/);
}

interface Parts {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string;
  readonly version: string;
  readonly features: readonly string[];
}

/** Completes a specifier that has only an operating system or only an architecture. */
function completed(
  text: string,
  first: string,
  known: Pick<Parts, 'os' | 'version' | 'features'>,
  { default: fallback }: ParsePlatformOptions,
): Platform {
  const machine = withoutV7(normalizeArchitecture(first, ''));
  const isOs = isKnownOs(known.os);
  if (!isOs && !isKnownArchitecture(machine.architecture)) {
    throw invalid(text, 'it is neither a known operating system nor a known architecture');
  }
  if (fallback === undefined)
    throw invalid(text, isOs ? 'the architecture is missing' : 'the operating system is missing');
  if (!isOs) return platformOf({ ...known, ...machine, os: fallback.os });
  return platformOf({ ...withoutV7({ variant: '', ...fallback }), ...known });
}

/** Removes the default variant v7 of arm, as containerd does for specifiers with one or two parts. */
function withoutV7<T extends { architecture: string; variant: string }>(machine: T): T {
  return machine.architecture === 'arm' && machine.variant === 'v7' ? { ...machine, variant: '' } : machine;
}

function platformOf({ os, architecture, variant, version, features }: Parts): Platform {
  return {
    architecture,
    os,
    ...(version === '' ? {} : { 'os.version': version }),
    ...(features.length === 0 ? {} : { 'os.features': features }),
    ...(variant === '' ? {} : { variant }),
  };
}

function decodeOption(text: string, option: string): string {
  if (!option.includes('%')) return option;
  try {
    return decodeURIComponent(option);
  } catch (cause) {
    throw invalid(text, `${quoted(option)} is not percent-encoded UTF-8`, cause);
  }
}

function invalid(text: string, reason: string, cause?: unknown): MlistError {
  return new MlistError('ERR_MLIST_PLATFORM_INVALID', `invalid platform ${quoted(text)}: ${reason}`, {
    hint: 'A platform is OS/ARCH or OS/ARCH/VARIANT, such as linux/amd64, linux/arm/v7 or windows(10.0.20348.2402)/amd64.',
    cause,
  });
}

/** Quotes a string for messages. Truncates it to 200 characters. */
function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 200));
}

function normalizeOs(os: string): string {
  const lower = os.toLowerCase();
  return lower === 'macos' ? 'darwin' : lower;
}

/** Resolves aliases and default variants as containerd/platforms v1.0.0-rc.4 does (database.go). */
function normalizeArchitecture(name: string, given: string): { architecture: string; variant: string } {
  const architecture = name.toLowerCase();
  const variant = given.toLowerCase();
  switch (architecture) {
    case 'i386':
      return { architecture: '386', variant: '' };
    case 'x86_64':
    case 'x86-64':
    case 'amd64':
      return { architecture: 'amd64', variant: variant === 'v1' ? '' : variant };
    case 'aarch64':
    case 'arm64':
      return { architecture: 'arm64', variant: arm64Variant(variant) };
    case 'armhf':
      return { architecture: 'arm', variant: 'v7' };
    case 'armel':
      return { architecture: 'arm', variant: 'v6' };
    case 'arm':
      return { architecture, variant: variant === '' ? 'v7' : variant.replace(/^[5-8]$/, 'v$&') };
    default:
      return { architecture, variant };
  }
}

function arm64Variant(variant: string): string {
  if (['8', 'v8', 'v8.0'].includes(variant)) return '';
  return ['9', '9.0', 'v9.0'].includes(variant) ? 'v9' : variant;
}

/**
 * Normalises a platform for comparison: resolves aliases, omits the default variant of amd64 and arm64, adds the
 * default variant v7 of arm, and sorts os.features and removes its duplicates. Keeps unknown members.
 */
export function normalizePlatform<T extends Platform>(platform: T): T {
  const { variant: statedVariant, 'os.features': statedFeatures, ...others } = platform;
  const { architecture, variant } = normalizeArchitecture(platform.architecture, statedVariant ?? '');
  const features = statedFeatures ?? [];
  return {
    ...others,
    architecture,
    os: normalizeOs(platform.os),
    ...(features.length === 0 ? {} : { 'os.features': [...new Set(features)].sort(byBytes) }),
    ...(variant === '' ? {} : { variant }),
  } as unknown as T;
}

function byBytes(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}

export interface FormatPlatformOptions {
  /** Whether to include os.version and os.features: `windows(10.0.20348+win32k)/amd64`. Default false. */
  readonly all?: boolean | undefined;
}

/** Formats a platform as `os/architecture[/variant]`, or `unknown` if the os is empty. Does not normalise. */
export function formatPlatform(platform: Platform, { all = false }: FormatPlatformOptions = {}): string {
  if (platform.os === '') return 'unknown';
  const os = platform.os + (all ? optionsOf(platform) : '');
  return posix.join(os, platform.architecture, platform.variant ?? '').replace(/(?<=.)\/$/, '');
}

/** Formats platforms with all their members, such as `linux/amd64, linux/arm64`. */
export function formatPlatforms(platforms: Iterable<Platform>): string {
  return Array.from(platforms, (platform) => formatPlatform(platform, { all: true })).join(', ');
}

function optionsOf(platform: Platform): string {
  const features = [...new Set(platform['os.features'])].filter((feature) => feature !== '').sort(byBytes);
  const text = [platform['os.version'] ?? '', ...features].map(encodeOption).join('+');
  return text === '' ? '' : `(${text})`;
}

function encodeOption(option: string): string {
  return option.replace(/[%+()/]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** Whether two platforms, including os.version and os.features, are equal after normalisation. */
export function samePlatform(left: Platform, right: Platform): boolean {
  return platformKey(left) === platformKey(right);
}

/** Returns a key for maps. Two platforms have the same key if and only if they are equal after normalisation. */
export function platformKey(platform: Platform): string {
  const normal = normalizePlatform(platform);
  return JSON.stringify([
    normal.os,
    normal.architecture,
    normal.variant ?? '',
    normal['os.version'] ?? '',
    normal['os.features'] ?? [],
  ]);
}

/** Whether a platform is `unknown/unknown`, as BuildKit marks manifests that are not images. */
export function isUnknownPlatform(platform: Platform | undefined): boolean {
  return platform?.os === 'unknown' && platform.architecture === 'unknown';
}
