import { MlistError } from '../../errors/errors.ts';
import type { Stores } from '../../store/open.ts';
import { imagePlatforms, isAttestationEntry, type Draft } from '../../draft/draft.ts';
import { matchesPlatform } from '../../draft/entry-selection.ts';
import type { ManifestContent, ContentOptions, ContentReader } from '../../store/store.ts';
import { isAttestation } from '../../oci/descriptor.ts';
import { shortDigest, type Digest } from '../../oci/digest.ts';
import type { Manifest } from '../../oci/manifest.ts';
import { isIndexType } from '../../oci/media-type.ts';
import { formatPlatforms, isUnknownPlatform, type Platform } from '../../oci/platform/platform.ts';
import { readManifest } from '../../schema/documents.ts';
import type { ReplacedTag } from '../../transfer/run.ts';
import type { OnEvent } from '../events.ts';
import { statedPlatform } from '../stated-platform.ts';
import { digestOfTag, refusedRead, type TagState } from './tag-state.ts';

export interface MovingTag {
  readonly tag: string;
  /** Canonical reference, for messages. */
  readonly reference: string;
  /** The current state of the tag, if it has been read. */
  readonly before?: TagState | undefined;
  /** The error, if reading the tag has failed. */
  readonly unread?: MlistError | undefined;
  /** The state that the tag must have before it is moved; undefined if any state is accepted. */
  readonly expected?: TagState | undefined;
}

/** The content that tags are moved to. */
export interface NextContent {
  readonly content: ManifestContent;
  /** The store of the content. It must have the config if the content is a single image. */
  readonly source: ContentReader;
}

export interface MoveOptions extends ContentOptions {
  readonly stores: Pick<Stores, 'cache'>;
  /** Allow a tag to move from a single image to a list that has no image for its platform. Default false. */
  readonly replaceImage?: boolean | undefined;
  /** Refuse a list that lacks a platform of the list that it replaces. Default false. */
  readonly expectKept?: boolean | undefined;
  readonly onEvent?: OnEvent | undefined;
}

/**
 * Reads the current content of each tag, and determines which platforms are lost when the tag is moved. Content in the
 * cache is not read from the registry. If the registry refuses a read, only a note is emitted, because the account
 * may have only push permission.
 * @returns the previous state of each tag and the lost platforms, keyed by tag
 * @throws MlistError without `replaceImage`, `ERR_MLIST_CONFLICT` if a single image, with or without attestations,
 * would be replaced by a list without its platform; with `expectKept`, `ERR_MLIST_EXPECTATION` if platforms would be
 * lost, and the error of the registry if a tag cannot be read
 */
export async function checkMoves(
  store: ContentReader,
  tags: readonly MovingTag[],
  next: NextContent,
  options: MoveOptions,
): Promise<ReadonlyMap<string, ReplacedTag>> {
  const { expectKept = false, signal, onEvent } = options;
  const unread: MlistError[] = [];
  const check = async (tag: MovingTag): Promise<readonly [string, ReplacedTag]> => {
    const reading = { ...options, onUnread: (error: MlistError) => void unread.push(error) };
    const replaced = await checkMove(store, tag, next, reading);
    signal?.throwIfAborted();
    return [tag.tag, replaced];
  };
  const moves = await Promise.all(tags.map(check));
  const [first] = unread;
  if (first !== undefined && expectKept) throw first;
  if (first !== undefined) {
    const message = `the content to be replaced could not be checked: ${first.message}`;
    onEvent?.({ type: 'note', message });
  }
  return new Map(moves);
}

interface Reading extends MoveOptions {
  readonly onUnread: (error: MlistError) => void;
}

async function checkMove(
  store: ContentReader,
  { tag, reference, before: known, unread }: MovingTag,
  next: NextContent,
  options: Reading,
): Promise<ReplacedTag> {
  if (unread !== undefined) options.onUnread(unread);
  const before =
    known ?? (unread === undefined ? await readable(() => digestOfTag(store, tag, options), options) : undefined);
  if (before === undefined) return {};
  const { descriptor } = next.content;
  if (before === 'absent' || before === descriptor.digest) return { before };
  const lost = await readable(() => lostPlatforms(store, before, next, options), options);
  if (lost?.replaced !== undefined) throw replacesImage(reference, before, lost.platforms, lost.replaced);
  if (lost === undefined || lost.platforms.length === 0) return { before };
  if (options.expectKept === true) throw losesPlatforms(reference, before, lost.platforms);
  return { before, lost: lost.platforms };
}

/**
 * Returns the result of a read. If the registry refuses the read or serves an invalid document, passes the error to
 * `onUnread` and returns undefined.
 */
async function readable<T>(read: () => Promise<T>, options: Reading): Promise<T | undefined> {
  try {
    return await read();
  } catch (thrown) {
    options.onUnread(refusedRead(thrown, options));
    return undefined;
  }
}

interface Lost {
  readonly platforms: readonly Platform[];
  /**
   * Set if a list would replace a single image, or a list with a single image, but has no image for the same platform.
   */
  readonly replaced?: 'image' | 'list';
}

const NOTHING: Lost = { platforms: [] };

async function lostPlatforms(
  store: ContentReader,
  before: Digest,
  { content, source }: NextContent,
  options: MoveOptions,
): Promise<Lost> {
  const after = readManifest(
    content.bytes,
    content.descriptor.mediaType,
    `${source.location}@${content.descriptor.digest}`,
  );
  const isList = 'manifests' in after;
  if (
    isList &&
    after.manifests.some(
      ({ digest, platform, mediaType }) => digest === before || (platform === undefined && isIndexType(mediaType)),
    )
  )
    return NOTHING;
  const previous = await manifestOf(store, before, options);
  const isImage = !('manifests' in previous);
  const isGuarded = isList && options.replaceImage !== true;
  if (isImage && !isGuarded) return NOTHING;
  const platforms = await platformsOf(previous, store, options);
  const newPlatforms = await platformsOf(after, source, options);
  const images = isImage
    ? [before]
    : previous.manifests.filter((entry) => !isAttestation(entry)).map(({ digest }) => digest);
  const replaced = isGuarded
    ? replacedSingle(
        { isImage, images, platforms },
        { digests: after.manifests.map(({ digest }) => digest), platforms: newPlatforms },
      )
    : undefined;
  return { platforms: without(platforms, newPlatforms), ...(replaced === undefined ? {} : { replaced }) };
}

async function manifestOf(
  store: ContentReader,
  digest: Digest,
  { stores: { cache }, signal }: MoveOptions,
): Promise<Manifest> {
  const name = `${store.location}@${digest}`;
  const cached = await cache.get(digest);
  if (cached !== undefined) return readManifest(cached, undefined, name);
  const { bytes, descriptor } = await store.fetchManifest(digest, { signal });
  return readManifest(bytes, descriptor.mediaType, name);
}

/** Returns the platforms that a list states for its images, or the platform of a single image. */
export async function platformsOf(
  manifest: Manifest,
  store: ContentReader,
  { stores: { cache }, signal }: Pick<MoveOptions, 'stores' | 'signal'>,
): Promise<readonly Platform[]> {
  if ('manifests' in manifest) {
    const images = manifest.manifests.filter((entry) => !isAttestation(entry));
    return images.flatMap(({ platform }) => (platform === undefined || isUnknownPlatform(platform) ? [] : [platform]));
  }
  const { config } = manifest;
  const fetch = async () => (await cache.get(config.digest)) ?? store.fetchBlob(config, { signal });
  const platform = await statedPlatform(config, store.location, fetch);
  return platform === undefined ? [] : [platform];
}

/**
 * Compares the current content of a tag with the list that is to replace it, both given as drafts. Returns the current
 * digest (`absent` if the tag does not exist) and, if the tag refers to a list, the platforms that the new list lacks.
 * @throws MlistError without `replaceImage`, `ERR_MLIST_CONFLICT` if the tag refers to a single image, or to a list
 * with one, and the new list has no image for its platform
 */
export function replacedByList(
  reference: string,
  before: { readonly draft: Draft; readonly digest: Digest; readonly isImage?: boolean } | undefined,
  after: Draft,
  replaceImage: boolean,
): ReplacedTag {
  if (before === undefined) return { before: 'absent' };
  const [platforms, newPlatforms] = [imagePlatforms(before.draft.entries), imagePlatforms(after.entries)];
  const lost = without(platforms, newPlatforms);
  const isImage = before.isImage === true;
  const digests = after.entries.map(({ digest }) => digest);
  const images = before.draft.entries.filter((entry) => !isAttestationEntry(entry)).map(({ digest }) => digest);
  const replaced =
    replaceImage || digests.includes(before.digest)
      ? undefined
      : replacedSingle({ isImage, images, platforms }, { digests, platforms: newPlatforms });
  if (replaced !== undefined) throw replacesImage(reference, before.digest, lost, replaced);
  return { before: before.digest, ...(!isImage && lost.length > 0 ? { lost } : {}) };
}

/** The previous content of a tag: a single image, or a list. */
interface Previous {
  readonly isImage: boolean;
  /** The digests of the images in the list, or the digest of the single image. */
  readonly images: readonly Digest[];
  readonly platforms: readonly Platform[];
}

/**
 * Returns the kind of the previous content if it has a single image, and the new list has no image for the same
 * platform. Otherwise, returns undefined. A list with a single image is protected, too, because builders push an image
 * with its attestations as a list. Such a list may still be replaced by a list with an image for another variant or
 * Windows release, or by an empty list.
 */
function replacedSingle(
  previous: Previous,
  list: { readonly digests: readonly Digest[]; readonly platforms: readonly Platform[] },
): 'image' | 'list' | undefined {
  const [image, ...more] = previous.images;
  if (more.length > 0 || (image !== undefined && list.digests.includes(image))) return undefined;
  const lost = without(previous.platforms, list.platforms);
  if (previous.isImage) return lost.length > 0 || previous.platforms.length === 0 ? 'image' : undefined;
  const isKept = ({ os, architecture }: Platform): boolean =>
    list.platforms.some((platform) => platform.os === os && platform.architecture === architecture);
  return list.platforms.length > 0 && !lost.every(isKept) ? 'list' : undefined;
}

function without(platforms: readonly Platform[], kept: readonly Platform[]): readonly Platform[] {
  return platforms.filter((platform) => !kept.some((candidate) => matchesPlatform(candidate, comparable(platform))));
}

/**
 * Returns a platform without features, and without the patch number of a Windows version (`N` in 10.0.20348.N).
 * Platforms that differ only in these are treated as the same.
 */
function comparable({ os, architecture, variant, 'os.version': version }: Platform): Platform {
  const release = version?.split('.', 3).join('.');
  return {
    os,
    architecture,
    ...(variant === undefined ? {} : { variant }),
    ...(release === undefined ? {} : { 'os.version': release }),
  };
}

function replacesImage(
  reference: string,
  before: Digest,
  platforms: readonly Platform[],
  kind: 'image' | 'list',
): MlistError {
  const image = kind === 'image' ? 'a single image' : 'a list with a single image';
  const what =
    platforms.length === 0
      ? `a single manifest without a platform (${shortDigest(before)}), and the new list does not contain it`
      : `${image} for ${formatPlatforms(platforms)} (${shortDigest(before)}), and the new list has no image for that platform`;
  return new MlistError('ERR_MLIST_CONFLICT', `cannot replace ${reference}: it is ${what}`, {
    reference,
    remedy: { kind: 'replace-image' },
  });
}

function losesPlatforms(reference: string, before: Digest, platforms: readonly Platform[]): MlistError {
  return new MlistError(
    'ERR_MLIST_EXPECTATION',
    `${reference} would lose ${formatPlatforms(platforms)}, which its current list (${shortDigest(before)}) contains`,
    { reference, hint: 'Add the missing images, or leave out "--expect kept".' },
  );
}
