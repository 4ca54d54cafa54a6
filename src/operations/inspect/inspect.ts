import { MlistError } from '../../errors/errors.ts';
import type { Json } from '../../json/json.ts';
import { readJson } from '../../json/parse.ts';
import type { ManifestContent } from '../../store/store.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { formatLocation } from '../../oci/location.ts';
import { isDockerType, isIndexType } from '../../oci/media-type.ts';
import type { Platform } from '../../oci/platform/platform.ts';
import { platformsOfSingle } from '../image-platforms.ts';
import { readCandidates } from '../read-candidates.ts';
import {
  childrenOf,
  contentOf,
  lookup,
  mirrorIn,
  readChild,
  type Child,
  type ChildChoice,
  type LookupResult,
  type ReadOptions,
} from '../lookup.ts';
import { requirePlatforms } from '../require-platforms.ts';
import { availabilityOf, type Availability } from './availability.ts';

export interface InspectOptions extends ReadOptions {
  /** Also check which entries of an index exist in its location. Default false. */
  readonly checkEntries?: boolean | undefined;
}

export interface Inspected {
  readonly from: LookupResult['from'];
  readonly reference: string;
  /** The exact bytes of the manifest, with its media type, digest and size. */
  readonly content: ManifestContent;
  readonly document: Json;
  /** The mirror that resolved the tag, unless the registry has confirmed the digest. */
  readonly mirror?: string;
  /** Whether each entry of an index exists in its location; undefined if that was not checked. */
  readonly entries?: readonly Availability[];
}

/** Reads a list or an image, or one manifest of a list, with its exact bytes. */
export async function inspect(
  name: string | undefined,
  choice: ChildChoice,
  { checkEntries = false, ...options }: InspectOptions,
): Promise<Inspected> {
  const found = await lookup(name, options);
  const isWhole = choice.manifest === undefined && choice.platform === undefined;
  const content =
    isWhole || (await isChosen(found, choice, options))
      ? contentOf(found)
      : await readChild(onlyChild(found, choice), options);
  const { from, reference } = found;
  const entries = isWhole && checkEntries ? await availabilityOf(found, options) : undefined;
  return {
    from,
    reference,
    content,
    document: documentOf(content, reference),
    ...mirrorIn(found),
    ...(entries === undefined ? {} : { entries }),
  };
}

/**
 * Whether the choice refers to the content itself, because it is a single image for the chosen platform.
 * @throws MlistError `ERR_MLIST_PLATFORM_NOT_FOUND` if the image is for another platform
 */
async function isChosen(
  found: LookupResult,
  { manifest, platform }: ChildChoice,
  options: ReadOptions,
): Promise<boolean> {
  if (manifest !== undefined || platform === undefined) return false;
  const platforms = await platformsOfSingle(found, options);
  if (platforms === undefined) return false;
  requirePlatforms([platform], platforms, found.reference);
  return true;
}

/**
 * Returns the platform in the config of a single image. If the config is missing or invalid, returns undefined, or
 * throws an error if a platform was chosen.
 * @throws MlistError `ERR_MLIST_PLATFORM_NOT_FOUND` if the image is for another platform than the chosen one
 */
async function ownPlatform(
  found: LookupResult,
  choice: ChildChoice,
  options: ReadOptions,
): Promise<Platform | undefined> {
  const { manifest, platform } = choice;
  if (manifest !== undefined || platform === undefined)
    return (await readCandidates(found, options)).entries[0]?.stated;
  const platforms = (await platformsOfSingle(found, options)) ?? [];
  requirePlatforms([platform], platforms, found.reference);
  return platforms[0];
}

function onlyChild(found: LookupResult, choice: ChildChoice): Child {
  const children = childrenOf(found, choice);
  const [only, ...others] = new Map(children.map((child) => [child.descriptor.digest, child])).values();
  if (only !== undefined && others.length === 0) return only;
  throw new MlistError('ERR_MLIST_AMBIGUOUS', `${others.length + 1} entries of ${found.reference} match`, {
    reference: found.reference,
    remedy: { kind: 'choose-entry' },
    candidates: [...(only === undefined ? [] : [only]), ...others].map(({ descriptor }) => descriptor.digest),
  });
}

function documentOf({ bytes }: ManifestContent, reference: string): Json {
  const { value, problems } = readJson(bytes);
  if (value !== undefined) return value;
  throw new MlistError('ERR_MLIST_DOCUMENT_INVALID', `${reference} is refused: ${problems[0]?.message ?? ''}`, {
    reference,
    problems,
  });
}

/** One manifest in the output format of `docker manifest inspect --verbose`. */
export interface VerboseManifest {
  readonly Ref: string;
  readonly Descriptor: {
    readonly mediaType: string;
    readonly digest: string;
    readonly size: number;
    readonly platform?: Platform;
  };
  /** base64 of the exact bytes. */
  readonly Raw: string;
  readonly SchemaV2Manifest?: Json;
  readonly OCIManifest?: Json;
}

/** Reads a single image, or one or all manifests of a list, in the format of `docker manifest inspect --verbose`. */
export async function inspectVerbose(
  name: string | undefined,
  choice: ChildChoice,
  options: ReadOptions,
): Promise<VerboseManifest | readonly VerboseManifest[]> {
  const found = await lookup(name, options);
  const own = contentOf(found);
  if (!isIndexType(own.descriptor.mediaType)) {
    const platform = await ownPlatform(found, choice, options);
    const descriptor = { ...own.descriptor, ...(platform === undefined ? {} : { platform }) };
    return verbose(found.reference, descriptor, own);
  }
  const children = childrenOf(found, choice);
  const list = await Promise.all(
    children.map(async (child) => {
      const source = formatLocation(child.source);
      const name = found.from === 'draft' ? source : `${source}@${child.descriptor.digest}`;
      return verbose(name, child.descriptor, await readChild(child, options));
    }),
  );
  return choice.manifest === undefined && choice.platform === undefined ? list : (list[0] ?? []);
}

function verbose(name: string, descriptor: Descriptor, content: ManifestContent): VerboseManifest {
  const { mediaType, digest, size, platform } = descriptor;
  const document = documentOf(content, name);
  return {
    Ref: name,
    Descriptor: { mediaType, digest, size, ...(platform === undefined ? {} : { platform }) },
    Raw: Buffer.from(content.bytes).toString('base64'),
    ...(isDockerType(mediaType) ? { SchemaV2Manifest: document } : { OCIManifest: document }),
  };
}
