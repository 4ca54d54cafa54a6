import { asMlistError, MlistError, SeveralErrors } from '../errors.ts';
import { emptyDraft, type Draft, type Format } from '../draft/draft.ts';
import { changeList, type ListChange } from '../draft/edit.ts';
import { appendSources, mergeSource, type EntryEvent } from '../draft/merge.ts';
import { updateState, withCurrent } from '../draft/state.ts';
import type { Workspace } from '../draft/workspace.ts';
import { parseLocation } from '../oci/location.ts';
import { MediaType } from '../oci/media-type.ts';
import type { Platform } from '../oci/platform.ts';
import { formatReference, type Reference } from '../oci/reference.ts';
import type { OnEvent } from './events.ts';
import type { Homes } from './homes.ts';
import { warnOf } from './warn.ts';
import {
  requirePlatforms,
  resolveSource,
  unknownMembers,
  type ManifestArgument,
  type Resolved,
} from './resolve-source.ts';

export interface CreateOptions {
  readonly workspace: Workspace;
  readonly homes: Homes;
  /** Bring an existing draft up to date instead of refusing it. Default false. */
  readonly amend?: boolean | undefined;
  /** Default: that of a single index source, else auto. */
  readonly format?: Format | undefined;
  /** Only these images of the sources. Default: all. */
  readonly platforms?: readonly Platform[] | undefined;
  /** Default keep. */
  readonly attestations?: 'keep' | 'drop' | undefined;
  /** What the list says of itself. */
  readonly listChange?: Omit<ListChange, 'subject'> | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: OnEvent | undefined;
}

export interface Created {
  readonly draft: Draft;
  /** Canonical reference of the list. */
  readonly list: string;
  readonly changes: readonly EntryEvent[];
  /** False where the draft held exactly this already. */
  readonly changed: boolean;
}

/**
 * Drafts a list of the given manifests, all of them or, where one cannot be read, none; it becomes the current draft.
 * @throws MlistError `ERR_MLIST_DRAFT_EXISTS` where there is another draft of that name and `amend` is not set;
 *   `ERR_MLIST_PLATFORM_NOT_FOUND`; for sources that cannot be read the errors of all of them
 */
export async function create(
  list: Reference,
  manifests: readonly ManifestArgument[],
  options: CreateOptions,
): Promise<Created> {
  const name = formatReference(list);
  const { workspace, amend = false } = options;
  const before = await workspace.find(name);
  const wanted = amend && manifests.length === 0 ? argumentsOf(before) : manifests;
  const resolved = await resolveAll(wanted, options);
  requirePlatforms(
    options.platforms ?? [],
    resolved.flatMap(({ platforms }) => platforms),
    'what was named',
  );
  let changes: readonly EntryEvent[] = [];
  const { draft, changed } = await workspace.update(
    name,
    (current) => {
      const made =
        current !== undefined && amend ? amended(current, resolved, options) : fresh(name, resolved, options);
      changes = made.changes;
      return current === undefined || amend ? made.draft : requireSame(current, made.draft);
    },
    { signal: options.signal },
  );
  await updateState(workspace, (state) => withCurrent(state, name));
  tell(draft, changed ? changes : [], resolved, options);
  return { draft, list: name, changes, changed };
}

/** The sources of a draft, each once. */
function argumentsOf(draft: Draft | undefined): readonly ManifestArgument[] {
  const sources = new Set(draft?.entries.map((entry) => entry.source));
  return [...sources].map((source) => ({ location: parseLocation(source) }));
}

/** Reads all sources at once; what fails is reported together. */
export async function resolveAll(
  manifests: readonly ManifestArgument[],
  options: Pick<CreateOptions, 'homes' | 'platforms' | 'attestations' | 'signal'>,
): Promise<readonly Resolved[]> {
  const references = manifests.flatMap(({ location }) => (location.kind === 'registry' ? [location.reference] : []));
  options.homes.registries.expect(references.map((reference) => ({ reference, push: false })));
  const results = await Promise.allSettled(manifests.map((argument) => resolveSource(argument, options)));
  options.signal?.throwIfAborted();
  const [first, ...more] = results.flatMap((result) =>
    result.status === 'rejected' ? [asMlistError(result.reason)] : [],
  );
  if (first !== undefined) throw SeveralErrors.of([first, ...more]);
  return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
}

interface Made {
  readonly draft: Draft;
  readonly changes: readonly EntryEvent[];
}

function fresh(name: string, resolved: readonly Resolved[], options: CreateOptions): Made {
  const [only, ...others] = resolved;
  const start = only !== undefined && others.length === 0 ? fromIndex(name, only) : emptyDraft(name);
  const { draft, events } = appendSources({ ...start, format: options.format ?? start.format }, resolved);
  return { draft: changeList(draft, options.listChange ?? {}), changes: events };
}

const indexMembers = ['schemaVersion', 'mediaType', 'manifests', 'annotations', 'artifactType', 'subject'];

/** A draft that carries on with all that a single index says of itself. */
export function fromIndex(name: string, { source, index }: Pick<Resolved, 'source' | 'index'>): Draft {
  if (index === undefined) return emptyDraft(name);
  const { document, content } = index;
  const extra = unknownMembers(document, indexMembers);
  const isDocker = document.mediaType === MediaType.dockerList;
  const { annotations, artifactType, subject } = isDocker ? {} : document;
  return {
    version: 1,
    list: name,
    format: isDocker ? 'docker' : 'oci',
    ...(annotations === undefined ? {} : { annotations }),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(subject === undefined ? {} : { subject }),
    base: { ref: source, digest: content.descriptor.digest },
    ...(extra === undefined ? {} : { extra }),
    entries: [],
  };
}

function amended(current: Draft, resolved: readonly Resolved[], options: CreateOptions): Made {
  let draft = current;
  const changes: EntryEvent[] = [];
  for (const source of resolved) {
    const merged = mergeSource(draft, source);
    draft = merged.draft;
    changes.push(...merged.events);
  }
  const format = options.format ?? draft.format;
  return { draft: changeList({ ...draft, format }, options.listChange ?? {}), changes };
}

/** Creating again what is there already is no conflict; what the author set since then stays. */
function requireSame(current: Draft, made: Draft): Draft {
  const identity = (draft: Draft) =>
    JSON.stringify(draft.entries.map(({ source, digest, mediaType, size }) => [source, digest, mediaType, size]));
  if (identity(current) === identity(made)) return current;
  throw new MlistError('ERR_MLIST_DRAFT_EXISTS', `there is a draft ${current.list} already, with other entries`, {
    reference: current.list,
    hint: 'Bring it up to date with --amend, or remove it with "mlist rm".',
  });
}

/** What the author should know of the new draft. */
function tell(
  draft: Draft,
  changes: readonly EntryEvent[],
  resolved: readonly Resolved[],
  { onEvent }: CreateOptions,
): void {
  for (const change of changes) onEvent?.({ type: 'entry', list: draft.list, change });
  if (resolved.length > 1) {
    for (const { source, index } of resolved) {
      const lost = index === undefined ? [] : lostMembers(index.document);
      if (lost.length > 0)
        onEvent?.({
          type: 'warning',
          message: `${lost.join(', ')} of the index ${source} do not come along: there are several sources`,
        });
    }
  }
  warnOf(draft, onEvent);
}

function lostMembers(document: object): readonly string[] {
  return Object.keys(document).filter((name) => !['schemaVersion', 'mediaType', 'manifests'].includes(name));
}
