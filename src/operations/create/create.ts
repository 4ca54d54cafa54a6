import { allOrErrors } from '../../async/settle.ts';
import { requireKnownPlatforms } from '../../draft/draft-rules.ts';
import { contentSource, descriptorOf, isUnpushed, sourceName, type Draft } from '../../draft/draft.ts';
import { matchesPlatform } from '../../draft/entry-selection.ts';
import type { EntryEvent } from '../../draft/merge.ts';
import { updateState, withCurrent } from '../../draft/workspace/workspace-state.ts';
import type { Workspace } from '../../draft/workspace/workspace.ts';
import { atDigest, digestIn, formatLocation, type Location } from '../../oci/location.ts';
import { isIndexType } from '../../oci/media-type.ts';
import type { Platform } from '../../oci/platform/platform.ts';
import { formatReference, type Reference } from '../../oci/reference.ts';
import {
  amendDraft,
  newDraft,
  type ListSettings,
  type DraftResult,
  replaceDraft,
  requireSameDraft,
} from './create-draft.ts';
import { reportCreated } from './report-created.ts';
import type { MissingPolicy } from '../publish/fill.ts';
import { requirePlatforms } from '../require-platforms.ts';
import type { SourceWaitOptions } from '../source-wait.ts';
import { withReferringAttestations } from '../sources/attestation-referrers.ts';
import { requireCachedContent } from '../sources/require-cached-content.ts';
import { resolveJoined, type ResolvedArgument } from '../sources/joined-sources.ts';
import type { ManifestArgument } from '../sources/read-source.ts';
import type { AttestationChoice, Resolved } from '../sources/resolve-source.ts';

/**
 * Options of `create`. If `format` is undefined, `amend` keeps the format of the draft, and a new draft has the format
 * of the index that is its only source, or else `auto`.
 */
export interface CreateOptions extends ListSettings, SourceWaitOptions, MissingPolicy {
  readonly workspace: Workspace;
  /** Update an existing draft instead of failing. Default false. */
  readonly amend?: boolean | undefined;
  /** Replace the entries of an existing draft instead of failing. Default false. */
  readonly replace?: boolean | undefined;
  /** Use only the images of the sources for these platforms. Default: all. */
  readonly platforms?: readonly Platform[] | undefined;
  /**
   * `keep` or `drop` the attestations of the sources, or also add attestations that are `referrers` of the images.
   * Default: `keep`.
   */
  readonly attestations?: AttestationChoice | undefined;
  /**
   * Sort sources whose order has no meaning, such as files of a folder, by platform in this order. Default: they keep
   * their positions.
   */
  readonly order?: readonly Platform[] | undefined;
  /**
   * `keep`: an index becomes one entry. `flatten`: nested indexes are expanded, too. Default: only the index itself is
   * expanded.
   */
  readonly nested?: 'keep' | 'flatten' | undefined;
  /**
   * Record the sources by digest instead of by tag, so that `create --amend` reads the same content after their tags
   * have moved. Default false.
   */
  readonly pin?: boolean | undefined;
  /** Treat unknown platforms, and variants that no client selects, as errors. Default false: they are warnings. */
  readonly strict?: boolean | undefined;
}

export interface Created {
  readonly draft: Draft;
  /** Canonical reference of the list. */
  readonly list: string;
  /** The changes to the entries; empty if the draft did not change. */
  readonly changes: readonly EntryEvent[];
  /** Whether the draft was written. */
  readonly changed: boolean;
}

/**
 * Creates a draft with the given manifests and makes it the current draft. If a manifest cannot be read, no draft is
 * written.
 * @param manifests - with `amend`, an empty array means the sources of the existing draft
 * @throws MlistError `ERR_MLIST_DRAFT_EXISTS` if a different draft with this name exists, and neither `amend` nor
 * `replace` is set; `ERR_MLIST_DRAFT_NOT_FOUND` if `amend` is set without manifests and the draft does not exist;
 * `ERR_MLIST_PLATFORM_NOT_FOUND` if no source has an image for a requested platform; the errors of all sources that
 * cannot be read
 */
export async function create(
  list: Reference,
  manifests: readonly ManifestArgument[],
  options: CreateOptions,
): Promise<Created> {
  const { workspace, stores, amend = false } = options;
  stores.expect({ later: [{ kind: 'registry', reference: list, explicit: true }] });
  const before = await workspace.find(list);
  const isForAll = amend && manifests.length === 0;
  const requested = isForAll ? argumentsOf(before ?? (await workspace.load(list))) : manifests;
  const read = inOrder(await resolveArguments(requested, { ...options, namedHosts: [list.domain] }), options.order);
  const resolved = read.map((one) => one.resolved);
  requirePlatforms(
    options.platforms ?? [],
    resolved.flatMap(({ platforms }) => platforms),
    sourcesName(list, requested),
  );
  requireCachedContent(workspace, options.stores.cache);
  let result: DraftResult | undefined;
  const { draft, changed } = await workspace.update(
    list,
    (current) => {
      result = current === undefined ? newDraft(list, resolved, options) : changeDraft(current, read, options);
      if (options.strict === true) requireKnownPlatforms(result.draft, result.draft.entries);
      return result.draft;
    },
    { signal: options.signal },
  );
  await updateState(workspace, (state) => withCurrent(state, list));
  const { changes = [], other } = result ?? {};
  reportCreated({ draft, changes, other, resolved, isAmended: amend && before !== undefined }, options.onEvent);
  return { draft, list: formatReference(list), changes: changed ? changes : [], changed };
}

/** Amends or replaces an existing draft. If neither is requested, requires that the draft has the same sources. */
function changeDraft(current: Draft, read: readonly ResolvedArgument[], options: CreateOptions): DraftResult {
  const resolved = read.map((one) => one.resolved);
  if (options.amend === true) return amendDraft(current, resolved, options);
  if (options.replace === true) return replaceDraft(current, resolved, options);
  return requireSameDraft(
    current,
    read.map(({ argument, resolved }) => ({ resolved, isPlatformGiven: argument.platform !== undefined })),
    options,
  );
}

/** Sorts arguments by platform if their order has no meaning. Other arguments keep their positions. */
function inOrder(read: readonly ResolvedArgument[], order: readonly Platform[] = []): readonly ResolvedArgument[] {
  const placeOf = ({ resolved: { platforms } }: ResolvedArgument): number => {
    const place = order.findIndex((one) => platforms.some((platform) => matchesPlatform(platform, one)));
    return place < 0 ? order.length : place;
  };
  const isUnordered = ({ argument }: ResolvedArgument): boolean => argument.isUnordered === true;
  const sorted = read.filter(isUnordered).sort((left, right) => placeOf(left) - placeOf(right));
  return read.map((one) => (isUnordered(one) ? (sorted.shift() ?? one) : one));
}

/**
 * Returns one argument for each source of a draft. If a source refers to its entry by digest, the argument has the
 * descriptor of the entry, without the author's settings.
 */
function argumentsOf(draft: Draft): readonly ManifestArgument[] {
  const sources = new Map(draft.entries.map((entry) => [sourceName(entry), entry]));
  return [...sources.values()].map((entry) => {
    const location = entry.source;
    const isListed = entry.via === undefined && isIndexType(entry.mediaType);
    return {
      location,
      isListed,
      isPlatformGiven: entry.set?.os != null && entry.set.architecture != null,
      ...(digestIn(location) === entry.digest ? { described: descriptorOf({ ...entry, set: {} }) } : {}),
    };
  });
}

type ReadingOptions = SourceWaitOptions &
  MissingPolicy &
  Pick<CreateOptions, 'platforms' | 'attestations' | 'nested' | 'pin'>;

/**
 * Reads all sources concurrently. Sources with parts of the same index are joined.
 * @throws MlistError the errors of all sources that cannot be read
 */
export async function resolveAll(
  manifests: readonly ManifestArgument[],
  options: ReadingOptions,
): Promise<readonly Resolved[]> {
  return (await resolveArguments(manifests, options)).map(({ resolved }) => resolved);
}

async function resolveArguments(
  manifests: readonly ManifestArgument[],
  options: ReadingOptions,
): Promise<readonly ResolvedArgument[]> {
  options.stores.expect({ read: manifests.map(({ location }) => location) });
  const complete = async ({ argument, resolved }: ResolvedArgument): Promise<ResolvedArgument> => {
    const whole = options.attestations === 'referrers' ? await withReferringAttestations(resolved, options) : resolved;
    return { argument, resolved: options.pin === true ? pinToDigest(whole) : whole };
  };
  return allOrErrors((await resolveJoined(manifests, options)).map(complete), options.signal);
}

/**
 * Replaces the tag of a source with the digest that was read, so that `create --amend` reads the same content after the
 * tag has moved.
 */
function pinToDigest(resolved: Resolved): Resolved {
  const [first] = resolved.entries;
  if (first !== undefined && isUnpushed(first)) {
    const source = contentSource(first);
    return { ...resolved, source, entries: [{ ...first, source }] };
  }
  const digest = resolved.index?.content.descriptor.digest ?? first?.digest;
  // The entries of an index from a file already refer to digests.
  if (digest === undefined || resolved.given !== undefined) return resolved;
  const pin = (source: Location): Location => atDigest(source, digest);
  const entries = resolved.entries.map((entry) => ({ ...entry, source: pin(entry.source) }));
  return { ...resolved, source: pin(resolved.source), entries };
}

/**
 * Returns the location of the only source or, if there are several sources, the reference of the list, for error
 * messages.
 */
function sourcesName(list: Reference, sources: readonly ManifestArgument[]): string {
  const [first, ...more] = sources;
  return first === undefined || more.length > 0 ? formatReference(list) : formatLocation(first.location);
}
