import { type Entry, unpushedManifest } from '../../draft/draft.ts';
import { asMlistError, type MlistError, SeveralErrors, withFurtherHint, withHint } from '../../errors/errors.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { formatLocation, isInEngine, type Location } from '../../oci/location.ts';
import type { Index } from '../../oci/manifest.ts';
import type { Platform } from '../../oci/platform/platform.ts';
import type { EngineImage } from '../../store/engine/engine-image.ts';
import type { ManifestContent, ReadStore } from '../../store/store.ts';
import { SomeMissing } from '../publish/missing-images.ts';
import { type SourceWaitOptions, waitForSource } from '../source-wait.ts';

/** This file reads the manifest of a MANIFEST argument. */

export interface ManifestArgument {
  readonly location: Location;
  /** The platform of `=PLATFORM`. It takes precedence over the image's config. */
  readonly platform?: Platform | undefined;
  /**
   * Whether the platform is given elsewhere, for example by a setting of the entry. If so, the image config may lack
   * the platform, as if `platform` were set.
   */
  readonly isPlatformGiven?: boolean | undefined;
  /** A descriptor from a file: the manifest must match it, and the entry is exactly this descriptor. */
  readonly described?: Descriptor | undefined;
  /** An index from a file: its images are in the location's repository; the index itself need not be. */
  readonly given?: GivenIndex | undefined;
  /** Whether the index is already an entry of the list. It is then expanded only with `nested: 'flatten'`. */
  readonly isListed?: boolean | undefined;
  /** Whether only a digest was given, which means that the repository in `location` is a default. */
  readonly isDigestOnly?: boolean | undefined;
  /** Whether the argument's position has no meaning, as for files in a folder. */
  readonly isUnordered?: boolean | undefined;
}

export interface GivenIndex {
  /** Name of the file, for messages. */
  readonly name: string;
  readonly document: Index;
  readonly content: ManifestContent;
}

/** A source that was read: its manifest, or the entry of an image that has no manifest yet. */
export type ReadSource = ManifestSource | UnpushedSource;

export interface ManifestSource {
  readonly argument: ManifestArgument;
  readonly store: ReadStore;
  /** The manifest; for an index from a file, the content of the file. */
  readonly content: ManifestContent;
}

/** An image in an engine that stores no manifests. */
interface UnpushedSource extends Pick<ManifestSource, 'argument' | 'store'> {
  readonly unpushed: Entry;
}

/**
 * Reads the manifest of an argument. For an index from a file, returns the content of the file. For an image in an
 * engine that stores no manifests, returns an entry without a manifest.
 */
export async function readSource(argument: ManifestArgument, options: SourceWaitOptions): Promise<ReadSource> {
  const { location, described, given } = argument;
  const { signal } = options;
  const reading = async (): Promise<ReadSource> => {
    const unpushed = described === undefined && given === undefined ? await findUnpushed(location, options) : undefined;
    if (unpushed !== undefined) {
      const store = await options.stores.source(location, { signal });
      return { argument, store, unpushed: unpushedEntry(location, unpushed) };
    }
    const { store, name } = await options.stores.resolveLocation(location, { signal });
    if (given !== undefined) return { argument, store, content: given.content };
    const fetch = () => store.fetchManifest(name, { expected: described, signal });
    return { argument, store, content: await waitForSource(fetch, options) };
  };
  return argument.isDigestOnly === true ? withRepositoryHint(reading(), location) : reading();
}

/**
 * Finds an image in an engine that stores no manifests. The image is identified by its ID and not exported yet, because
 * the first push generates its manifest.
 * @returns undefined for all other locations, whose content has a manifest
 * @throws MlistError `ERR_MLIST_NOT_FOUND` if the engine does not have the image; the errors of the engine
 */
async function findUnpushed(
  location: Location,
  { stores, signal }: SourceWaitOptions,
): Promise<EngineImage | undefined> {
  if (!isInEngine(location) || location.digest !== undefined) return undefined;
  const image = await (await stores.engineImage(location)).describe({ signal });
  return image.root === undefined ? image : undefined;
}

/** Returns the entry of an image that has no manifest yet. */
function unpushedEntry(source: Location, { id, platform, layers }: EngineImage): Entry {
  const image = { id, layers };
  return { source, image, ...unpushedManifest(image), detected: platform };
}

/**
 * Adds a hint to the error if an image that was specified only by its digest is not found or may not be read. The hint
 * explains how to specify the repository.
 */
export async function withRepositoryHint<T>(reading: Promise<T>, location: Location): Promise<T> {
  return reading.catch((thrown: unknown) => {
    const error = asMlistError(thrown);
    const [first = error, ...more] = error instanceof SeveralErrors ? error.errors : [error];
    throw SeveralErrors.of([hinted(first, location), ...more.map((one) => hinted(one, location))]);
  });
}

function hinted(error: MlistError, location: Location): MlistError {
  // The repository is not the problem: it has other images of the index, or `fill` has already tried other locations.
  // The hint would mislead the user.
  if (error instanceof SomeMissing) return error;
  const { code } = error;
  const [repository = ''] = formatLocation(location).split('@');
  const where =
    `A digest without a repository is looked up in ${repository}. ` +
    'If the image is in another repository, write REPO@DIGEST, or specify the repository with "mlist create --repo REPO".';
  if (code === 'ERR_MLIST_NOT_FOUND') return withHint(error, where);
  if (code !== 'ERR_MLIST_UNAUTHORIZED') return error;
  return withFurtherHint(error, where);
}
