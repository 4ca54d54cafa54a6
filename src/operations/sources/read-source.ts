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

/** Reads the manifest of a MANIFEST argument. */

export interface ManifestArgument {
  readonly location: Location;
  /** The platform of `=PLATFORM`. It takes precedence over the image's config. */
  readonly platform?: Platform | undefined;
  /** Whether the platform is given elsewhere, so that the config of the image need not state it, as with `platform`. */
  readonly isPlatformGiven?: boolean | undefined;
  /** A descriptor from a file: the manifest must match it, and the entry is exactly this descriptor. */
  readonly described?: Descriptor | undefined;
  /** An index from a file: its images are in the location's repository; the index itself need not be. */
  readonly given?: GivenIndex | undefined;
  /** The index is an entry of the list already: it is expanded only with `nested: 'flatten'`. */
  readonly isListed?: boolean | undefined;
  /** Whether only a digest was given, so that the repository is assumed to be that of the list. */
  readonly isDigestOnly?: boolean | undefined;
  /** Whether its position among the arguments has no meaning, as for files in a folder. */
  readonly isUnordered?: boolean | undefined;
}

export interface GivenIndex {
  /** Name of the file, for messages. */
  readonly name: string;
  readonly document: Index;
  readonly content: ManifestContent;
}

/** A source that was read: its manifest, or the entry of an image that has none. */
export type ReadSource = ManifestSource | UnpushedSource;

export interface ManifestSource {
  readonly argument: ManifestArgument;
  readonly store: ReadStore;
  /** The manifest; for an index from a file, the content of the file. */
  readonly content: ManifestContent;
}

/** An image of an engine that keeps no manifests. */
interface UnpushedSource extends Pick<ManifestSource, 'argument' | 'store'> {
  readonly unpushed: Entry;
}

/** Reads the manifest of an argument. */
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
 * The image of a location in an engine that keeps no manifests. It is pinned by its ID, without an export: the first
 * push generates its manifest.
 * @returns undefined for all other locations, whose content has a manifest
 * @throws MlistError `ERR_MLIST_NOT_FOUND`, and the errors of the engine
 */
async function findUnpushed(
  location: Location,
  { stores, signal }: SourceWaitOptions,
): Promise<EngineImage | undefined> {
  if (!isInEngine(location) || location.digest !== undefined) return undefined;
  const image = await (await stores.engineImage(location)).describe({ signal });
  return image.root === undefined ? image : undefined;
}

/** The entry of an image that has no manifest yet. */
function unpushedEntry(source: Location, { id, platform, layers }: EngineImage): Entry {
  const image = { id, layers };
  return { source, image, ...unpushedManifest(image), detected: platform };
}

/** If an image that was given only by its digest cannot be read, adds a hint how to name its repository. */
export async function withRepositoryHint<T>(reading: Promise<T>, location: Location): Promise<T> {
  return reading.catch((thrown: unknown) => {
    const error = asMlistError(thrown);
    const [first = error, ...more] = error instanceof SeveralErrors ? error.errors : [error];
    throw SeveralErrors.of([hinted(first, location), ...more.map((one) => hinted(one, location))]);
  });
}

function hinted(error: MlistError, location: Location): MlistError {
  // Other images of the index were found, so the repository is correct.
  if (error instanceof SomeMissing) return error;
  const { code } = error;
  const [repository = ''] = formatLocation(location).split('@');
  const where =
    `A digest without a repository is looked for in ${repository}. ` +
    'If the image is in another repository, write REPO@DIGEST, or name the repository with "mlist create --repo REPO".';
  if (code === 'ERR_MLIST_NOT_FOUND') return withHint(error, where);
  if (code !== 'ERR_MLIST_UNAUTHORIZED') return error;
  return withFurtherHint(error, where);
}
