import { isAttestation, type Descriptor } from '../../oci/descriptor.ts';
import { createHash, digestOf, type Digest } from '../../oci/digest.ts';
import { encodeImageIndex } from '../../oci/list-encoding.ts';
import { MediaType } from '../../oci/media-type.ts';
import {
  formatPlatform,
  normalizePlatform,
  parseFormattedPlatform,
  samePlatform,
  splitPlatforms,
  type Platform,
} from '../../oci/platform/platform.ts';
import type { ManifestContent } from '../../store/store.ts';
import { readIndex } from '../../schema/documents.ts';
import { MlistError } from '../../errors/errors.ts';
import { matchesPlatform } from '../../draft/entry-selection.ts';
import type { Group } from './group.ts';

/**
 * A slot: the images of one participant for one platform of one tag. It is stored as a small index in the tag's
 * repository, under its own tag, so that participants find each other without a merge job.
 */
export interface Slot {
  /** The tag of the slot. */
  readonly name: string;
  /** The full platform, such as `linux/arm/v7` or `windows(10.0.20348.2402)/amd64`. */
  readonly platform: string;
  /** Canonical reference of the tag that is joined. */
  readonly target: string;
  readonly group: Group;
  /** The start of the first known participant of its group, in milliseconds since 1970. */
  readonly began: number;
  /** The expected platforms in the order of the list; undefined if the build has no `--expect`. */
  readonly expect?: readonly string[] | undefined;
  /** The images for the platform, usually one, and their attestations. */
  readonly entries: readonly Descriptor[];
}

export interface StoredSlot extends Slot {
  readonly digest: Digest;
}

const PREFIX = 'mlist';
/** Maximum length of the platform in the tag of a slot. A tag has at most 128 characters, and the rest needs 28. */
const LONGEST_PLATFORM = 99;

/** Returns the prefix of the slot tags for a joined tag. */
export function slotPrefix(tag: string): string {
  return `${PREFIX}-${hexOf(tag, 12)}-`;
}

/**
 * Returns the tag of a slot: `mlist-<12 hex of sha256(tag)>-<platform>-<8 hex of sha256(full platform)>`. The second
 * hash distinguishes platforms whose readable forms are equal.
 * @param tag - the joined tag
 * @param platform - as returned by `fullPlatform`
 */
export function slotName(tag: string, platform: string): string {
  const readable = platform
    .replace(/\(.*?\)/, '')
    .replace(/[^\w.]+/g, '-')
    .slice(0, LONGEST_PLATFORM);
  return `${slotPrefix(tag)}${readable}-${hexOf(platform, 8)}`;
}

function hexOf(text: string, digits: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, digits);
}

/**
 * Formats a platform in canonical form, such as `linux/arm/v7`. Equivalent platforms have the same canonical form.
 * @throws MlistError `ERR_MLIST_PLATFORM_INVALID` if this form cannot be parsed back to the platform
 */
export function fullPlatform(platform: Platform): string {
  const text = formatPlatform(normalizePlatform(platform), { all: true });
  if (isWritten(text, platform)) return text;
  throw new MlistError(
    'ERR_MLIST_PLATFORM_INVALID',
    `the platform ${JSON.stringify(text)} cannot be parsed as OS/ARCH[/VARIANT]`,
    {
      hint: 'Set the platform of the image: MANIFEST=OS/ARCH.',
    },
  );
}

function isWritten(text: string, platform: Platform): boolean {
  try {
    return samePlatform(parseFormattedPlatform(text), platform);
  } catch {
    return false;
  }
}

const key = {
  target: 'mlist.join.target',
  platform: 'mlist.join.platform',
  group: 'mlist.join.group',
  number: 'mlist.join.number',
  attempt: 'mlist.join.attempt',
  expect: 'mlist.join.expect',
  began: 'org.opencontainers.image.created',
} as const;

/** Encodes a slot. Equal slots have equal bytes. */
export function encodeSlot({ target, platform, group, began, expect, entries }: Omit<Slot, 'name'>): ManifestContent {
  const annotations = {
    [key.target]: target,
    [key.platform]: platform,
    [key.group]: group.id,
    ...(group.number === undefined ? {} : { [key.number]: group.number }),
    ...(group.attempt === undefined ? {} : { [key.attempt]: String(group.attempt) }),
    ...(expect === undefined ? {} : { [key.expect]: expect.join(',') }),
    [key.began]: new Date(began).toISOString(),
  };
  const bytes = encodeImageIndex({ manifests: entries, annotations }, { keepEmpty: true });
  return { descriptor: { mediaType: MediaType.ociIndex, digest: digestOf(bytes), size: bytes.length }, bytes };
}

/**
 * Reads the content under the tag of a slot.
 * @param name - the tag of the slot
 * @param target - canonical reference of the joined tag
 * @returns the slot, or the reason why it is not a slot of the joined tag
 */
export function readSlot({ descriptor, bytes }: ManifestContent, name: string, target: string): StoredSlot | string {
  const annotations = annotationsIn(bytes, descriptor.mediaType, name);
  if (typeof annotations === 'string') return annotations;
  const { document, text } = annotations;
  const [platform, id] = [text(key.platform), text(key.group)];
  const began = Date.parse(text(key.began) ?? '');
  if (text(key.target) !== target || platform === undefined || id === undefined || Number.isNaN(began)) {
    return `it is not a slot of ${target}`;
  }
  if (slotName(tagOf(target), platform) !== name) return `it is a slot for ${platform} under the wrong tag`;
  const expected = platformIn(platform);
  const images = document.manifests.filter((entry) => !isAttestation(entry));
  const matches = (entry: Descriptor) => expected !== undefined && matchesPlatform(entry.platform, expected);
  if (images.length === 0 || !images.every(matches)) return `it does not consist of images for ${platform}`;
  const [number, attempt, expect] = [text(key.number), text(key.attempt), text(key.expect)];
  const group = { id, ...(number === undefined ? {} : { number }), ...attemptIn(attempt) };
  return {
    name,
    platform,
    target,
    group,
    began,
    ...(expect === undefined ? {} : { expect: splitPlatforms(expect) }),
    entries: document.manifests,
    digest: descriptor.digest,
  };
}

function annotationsIn(bytes: Uint8Array, mediaType: string, name: string) {
  try {
    const document = readIndex(bytes, mediaType, name);
    const annotations = ('annotations' in document ? document.annotations : undefined) ?? {};
    return { document, text: (name: string) => (Object.hasOwn(annotations, name) ? annotations[name] : undefined) };
  } catch (thrown) {
    if (thrown instanceof MlistError) return thrown.message;
    throw thrown;
  }
}

function attemptIn(text: string | undefined): Pick<Group, 'attempt'> {
  return text !== undefined && /^\d{1,15}$/.test(text) ? { attempt: Number(text) } : {};
}

function platformIn(text: string): Platform | undefined {
  try {
    return parseFormattedPlatform(text);
  } catch {
    return undefined;
  }
}

/** Returns the tag of a canonical reference. */
export function tagOf(target: string): string {
  return target.slice(target.lastIndexOf(':') + 1);
}
