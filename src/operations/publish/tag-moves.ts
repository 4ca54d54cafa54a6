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
  /** The content that the tag has now, if it has been read. */
  readonly before?: TagState | undefined;
  /** The error, if reading the tag has failed. */
  readonly unread?: MlistError | undefined;
  /** The content that the tag must have to be moved; undefined if any content is accepted. */
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
  /** Let a list replace a single image whose platform it does not have. Default false. */
  readonly replaceImage?: boolean | undefined;
  /** Refuse a list that lacks a platform of the list that it replaces. Default false. */
  readonly expectKept?: boolean | undefined;
  readonly onEvent?: OnEvent | undefined;
}

/**
 * Reads the current content of each tag, and determines which platforms its users lose when it is moved. Content in the
 * cache is not read from the registry. If the registry refuses to read a tag, it is moved nevertheless, with a note,
 * because the account may be push-only.
 * @returns the replaced content, by tag
 * @throws MlistError `ERR_MLIST_CONFLICT` if a single image, with or without attestations, would be replaced by a list
 * without its platform; with `expectKept`, `ERR_MLIST_EXPECTATION` for lost platforms, and the registry's error if a
 * tag cannot be read
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

/** The result of a read; undefined if the registry refuses it or serves an invalid document. */
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
  /** Set if a list would replace a single image, or a list of a single image, without an image for its platform. */
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

/** The platforms of a list's images, or of a single image. */
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
 * The content that a list replaces at a tag, and the platforms that are lost, computed from the drafts of both lists.
 * @throws MlistError `ERR_MLIST_CONFLICT` if it replaces a single image without its platform
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
  /** Digests of the images; that of a single image. */
  readonly images: readonly Digest[];
  readonly platforms: readonly Platform[];
}

/**
 * Whether a list replaces a single image, or a list of one, without an image for its platform. Builders push an image
 * with its attestations as a list. A list of one image may be replaced by one for another Windows release or variant,
 * or by an empty list.
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

/** Patches of one Windows release (10.0.20348.N) count as the same platform, and features do not count. */
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
  const image = kind === 'image' ? 'a single image' : 'a list of a single image';
  const what =
    platforms.length === 0
      ? `a single manifest without a platform (${shortDigest(before)}), which the list does not contain`
      : `${image} for ${formatPlatforms(platforms)} (${shortDigest(before)}), and the new list has no image for that platform`;
  return new MlistError('ERR_MLIST_CONFLICT', `${reference} is ${what}`, {
    reference,
    remedy: { kind: 'replace-image' },
  });
}

function losesPlatforms(reference: string, before: Digest, platforms: readonly Platform[]): MlistError {
  return new MlistError(
    'ERR_MLIST_EXPECTATION',
    `${reference} would lose ${formatPlatforms(platforms)}, which ${shortDigest(before)} has`,
    { reference, hint: 'Add the missing images, or push without "--expect kept".' },
  );
}
