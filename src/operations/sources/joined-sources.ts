import { allOrErrors } from '../../async/settle.ts';
import { getOrCreate } from '../../async/single-flight.ts';
import { isIndexType } from '../../oci/media-type.ts';
import type { Origin } from '../../store/completed-store.ts';
import type { ContentOptions, ManifestContent, ReadStore } from '../../store/store.ts';
import { childrenOfManifest } from '../../transfer/graph.ts';
import { findMissing } from '../publish/find-missing.ts';
import { readSource, type ManifestArgument, type ManifestSource, type ReadSource } from './read-source.ts';
import { resolveRead, type Resolved, type ResolveOptions } from './resolve-source.ts';

/** An argument with its resolved source. */
export interface ResolvedArgument {
  readonly argument: ManifestArgument;
  readonly resolved: Resolved;
}

/**
 * Resolves arguments concurrently. Several sources may have parts of the same index, for example engines and archives
 * after pulls for different platforms. Such sources are joined: the result of the first one has the entries of all, and
 * the others have no result.
 * @throws MlistError with the errors of all sources that cannot be read
 */
export async function resolveJoined(
  manifests: readonly ManifestArgument[],
  options: ResolveOptions,
): Promise<readonly ResolvedArgument[]> {
  const groups = new PartGroups(
    manifests.map((argument) => readSource(argument, options)),
    options,
  );
  const hasFiles = manifests.some(({ location }) => location.kind !== 'registry');
  const isGrouped = manifests.length > 1 && hasFiles && options.nested !== 'keep';
  const resolved = await allOrErrors(
    groups.reading.map(async (source, at) => {
      if (!isGrouped) return resolveRead(source, options);
      if (!(await groups.isFirst(await source, at))) return undefined;
      return resolveRead(source, options, (read) => groups.othersOf(read));
    }),
    options.signal,
  );
  return manifests.flatMap((argument, at): readonly ResolvedArgument[] => {
    const one = resolved[at];
    return one === undefined ? [] : [{ argument, resolved: one }];
  });
}

/**
 * Groups the sources of a command by their index. The sources of a group are joined only if one of them lacks content.
 */
class PartGroups {
  readonly reading: readonly Promise<ReadSource>[];
  readonly #options: ContentOptions;
  readonly #groups = new Map<string, Promise<Group>>();

  constructor(reading: readonly Promise<ReadSource>[], options: ContentOptions) {
    this.reading = reading;
    this.#options = options;
  }

  /** Whether a source has its own result: it is not joined with others, or it is the first of its group. */
  async isFirst(source: ReadSource, at: number): Promise<boolean> {
    const group = await this.#groupOf(source);
    return group === undefined || !group.isSparse || group.members.every((member) => member.at >= at);
  }

  /** Returns the other sources that have the same index, or undefined if nothing is read from them. */
  async othersOf(source: ReadSource): Promise<readonly Origin[] | undefined> {
    const group = await this.#groupOf(source);
    if (group?.isSparse !== true || group.members.length < 2) return undefined;
    return group.members.flatMap(({ origin }) => (origin.store === source.store ? [] : [origin]));
  }

  async #groupOf(source: ReadSource): Promise<Group | undefined> {
    if (!isPart(source)) return undefined;
    const { content } = source;
    return getOrCreate(this.#groups, content.descriptor.digest, async () => {
      const all = await Promise.allSettled(this.reading);
      const members = all.flatMap((one, at) => {
        if (one.status === 'rejected' || !isPart(one.value)) return [];
        const { argument, store, content: other } = one.value;
        const isSame = other.descriptor.digest === content.descriptor.digest;
        return isSame ? [{ at, origin: { location: argument.location, store } }] : [];
      });
      const lacking = members.map(({ origin: { store } }) => isSparse(store, content, this.#options));
      return { members, isSparse: (await Promise.all(lacking)).includes(true) };
    });
  }
}

interface Group {
  readonly members: readonly { readonly at: number; readonly origin: Origin }[];
  /** Whether a layout or archive of the group lacks content of the index. */
  readonly isSparse: boolean;
}

/**
 * Whether a source is an index that can be joined with others: it is expanded, and its argument has neither a platform,
 * nor a descriptor or index from a file.
 */
function isPart(source: ReadSource): source is ManifestSource {
  const { platform, described, given, isListed = false } = source.argument;
  const isPlain = platform === undefined && described === undefined && given === undefined && !isListed;
  return isPlain && 'content' in source && isIndexType(source.content.descriptor.mediaType);
}

/** Whether a layout or an archive lacks content of an index. Registries are not checked. */
async function isSparse(store: ReadStore, content: ManifestContent, options: ContentOptions): Promise<boolean> {
  if (store.storedSize === undefined) return false;
  const missing = await findMissing(() => childrenOfManifest(content, store).manifests, { ...options, store });
  return missing.size > 0;
}
