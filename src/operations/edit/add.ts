import type { Draft } from '../../draft/draft.ts';
import { appendSources, mergeSource, partsApart, type EntryEvent } from '../../draft/merge.ts';
import type { Workspace } from '../../draft/workspace/workspace.ts';
import { formatReference, type Reference } from '../../oci/reference.ts';
import { resolveAll } from '../create/create.ts';
import { reportFormatChange, warnAboutDraft } from '../warnings.ts';
import { chosenList } from '../current-draft.ts';
import { requireCachedContent } from '../sources/require-cached-content.ts';
import type { MissingPolicy } from '../publish/fill.ts';
import type { ManifestArgument } from '../sources/read-source.ts';
import type { AttestationChoice } from '../sources/resolve-source.ts';
import type { SourceWaitOptions } from '../source-wait.ts';

export interface AddOptions extends SourceWaitOptions, MissingPolicy {
  readonly workspace: Workspace;
  /** Keep an existing image for the same platform. Default false: the new image replaces it. */
  readonly keep?: boolean | undefined;
  /**
   * `keep` or `drop` the attestations of the sources, or also add attestations that are `referrers` of the images.
   * Default: `keep`.
   */
  readonly attestations?: AttestationChoice | undefined;
  readonly nested?: 'keep' | 'flatten' | undefined;
  /**
   * Record the sources by digest instead of by tag, so that `create --amend` reads the same content after their tags
   * have moved. Default false.
   */
  readonly pin?: boolean | undefined;
}

export interface Edited {
  readonly draft: Draft;
  readonly list: string;
  readonly changes: readonly EntryEvent[];
  readonly changed: boolean;
}

/** Adds the manifests to a draft. If one of them cannot be read, the draft is unchanged. */
export async function add(
  list: Reference | undefined,
  manifests: readonly ManifestArgument[],
  options: AddOptions,
): Promise<Edited> {
  const { workspace, keep = false, signal, onEvent } = options;
  const chosen = await chosenList(workspace, list);
  await workspace.load(chosen);
  options.stores.expect({ later: [{ kind: 'registry', reference: chosen, explicit: true }] });
  const resolved = await resolveAll(manifests, { ...options, namedHosts: [chosen.domain] });
  requireCachedContent(workspace, options.stores.cache);
  const sources = resolved.flatMap((one) => (one.parts === undefined || keep ? [one] : partsApart(one)));
  const changes: EntryEvent[] = [];
  const {
    before: was,
    draft,
    changed,
  } = await workspace.update(
    chosen,
    (before) => {
      let edited = before;
      for (const source of sources) {
        if (edited === undefined) return undefined;
        const merged = keep ? appendSources(edited, [source]) : mergeSource(edited, source);
        edited = merged.draft;
        changes.push(...merged.events);
      }
      return edited;
    },
    { signal },
  );
  const name = formatReference(chosen);
  for (const event of resolved.flatMap(({ events }) => events)) onEvent?.(event);
  for (const change of changes) onEvent?.({ type: 'entry', list: name, change });
  if (was !== undefined) reportFormatChange(was, draft, onEvent);
  warnAboutDraft(draft, onEvent);
  return { draft, list: name, changes, changed };
}
