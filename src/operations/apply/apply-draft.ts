import { settle } from '../../async/settle.ts';
import { asMlistError, MlistError, SeveralErrors } from '../../errors/errors.ts';
import {
  emptyDraft,
  isAttestationEntry,
  listName,
  platformOf,
  sourceName,
  type Draft,
  type Entry,
} from '../../draft/draft.ts';
import { changeEntry, changeList } from '../../draft/draft-edit.ts';
import { appendSources, type ResolvedSource } from '../../draft/merge.ts';
import { describeEntry } from '../../draft/entry-selection.ts';
import { minimalDescriptor, type Descriptor } from '../../oci/descriptor.ts';
import { formatLocation, type Location } from '../../oci/location.ts';
import { formatReference, type Reference } from '../../oci/reference.ts';
import { counted } from '../../text/quantity.ts';
import type { OnEvent } from '../events.ts';
import type { SourceReader } from './apply-sources.ts';
import { entryMembers } from '../sources/entry-members.ts';
import { applyToOnlyImage, type Resolved } from '../sources/resolve-source.ts';
import { withoutName } from '../publish/fill.ts';
import { claimWarnings } from '../platform-claims.ts';
import { waitForSource, type SourceWaitOptions } from '../source-wait.ts';
import type { EntrySpec, ListSpec, EntriesSpec } from '../spec/spec.ts';

/** This file builds drafts from specs. The drafts are not stored in a workspace. */

export interface DraftingOptions extends SourceWaitOptions {
  readonly sources: SourceReader;
}

export interface SpecDraft {
  readonly draft: Draft;
  /** The sources that were left out because they do not exist. */
  readonly missing: readonly string[];
}

/**
 * Reads the images of a spec and builds the draft.
 * @throws MlistError if the subject cannot be read; otherwise with the errors of all sources that cannot be read;
 * `ERR_MLIST_NOT_FOUND` if sources are missing and fewer images remain than the spec requires
 */
export async function draftFromSpec(list: Reference, spec: EntriesSpec, options: DraftingOptions): Promise<SpecDraft> {
  const { values: found, failures } = await settle(spec.entries.map((entry) => readEntry(entry, spec, options)));
  const subject = await subjectOf(spec.subject, options);
  options.signal?.throwIfAborted();
  SeveralErrors.throwAny(failures);
  const missing = found.flatMap((one) => ('gone' in one ? [one.gone] : []));
  const sources = found.flatMap((one) => ('gone' in one ? [] : [one]));
  const draft = assemble(list, { ...spec, subject }, sources);
  requireEnough(draft, spec, missing);
  for (const source of missing) {
    options.onEvent?.({
      type: 'warning',
      message: `${source} does not exist and is left out of ${formatReference(list)}`,
    });
  }
  return { draft, missing };
}

/**
 * Builds the draft of a spec without reading any source. A subject is included only if it is a descriptor. Returns
 * undefined if the spec copies a list, or if an entry of the spec has no complete descriptor.
 */
export function exactDraft({ list, content }: ListSpec): Draft | undefined {
  if (content.kind === 'copy') return undefined;
  const sources = content.entries.flatMap((entry) => exactSource(entry) ?? []);
  return sources.length === content.entries.length ? assemble(list, content, sources) : undefined;
}

function assemble(list: Reference, spec: EntriesSpec, sources: readonly ResolvedSource[]): Draft {
  const { draft } = appendSources(emptyDraft(list, spec.format), sources);
  const { annotations, artifactType, subject } = spec;
  const about = subject !== undefined && 'mediaType' in subject ? subject : undefined;
  return changeList(draft, { annotations, artifactType, ...(about === undefined ? {} : { subject: about }) });
}

/** A source that does not exist. The spec allows it to be missing. */
interface Gone {
  readonly gone: string;
}

async function readEntry(
  entry: EntrySpec,
  spec: EntriesSpec,
  options: DraftingOptions,
): Promise<ResolvedSource | Gone> {
  const isOptional = spec.minimum !== undefined;
  try {
    const exact = exactSource(entry);
    if (exact !== undefined) {
      if (isOptional) await waitForSource(() => lookFor(entry.location, options), options);
      return exact;
    }
    return applySpec(await options.sources.read(entry), entry, options);
  } catch (thrown) {
    const error = asMlistError(thrown);
    if (isOptional && error.code === 'ERR_MLIST_NOT_FOUND' && (await isGone(entry, options))) {
      return { gone: formatLocation(entry.location) };
    }
    throw error;
  }
}

/**
 * Converts an entry with a complete descriptor to a source, without reading its manifest. Returns undefined for other
 * entries.
 */
function exactSource({ location, exact, missing, fillFrom }: EntrySpec): ResolvedSource | undefined {
  const fill = missing === 'fill' && fillFrom !== undefined ? { fill: fillFrom.map(withoutName) } : {};
  return exact && { source: location, entries: [{ source: location, ...fill, ...entryMembers(exact) }] };
}

async function lookFor(location: Location, { stores, signal }: DraftingOptions): Promise<Descriptor> {
  const { store, name } = await stores.resolveLocation(location, { signal });
  return store.resolve(name, { signal });
}

/**
 * Whether the source itself does not exist. This takes another request, because the error of the first read may be
 * about a part of the image, such as its config.
 */
async function isGone(entry: EntrySpec, options: DraftingOptions): Promise<boolean> {
  try {
    await lookFor(entry.location, options);
    return false;
  } catch (thrown) {
    const error = asMlistError(thrown);
    if (error.code !== 'ERR_MLIST_NOT_FOUND') throw error;
    return error.facts.status === undefined || error.facts.status === 404;
  }
}

/** Returns the source with the settings that the spec has for it. Emits the events and warnings about the source. */
function applySpec(resolved: Resolved, entry: EntrySpec, { onEvent }: DraftingOptions): ResolvedSource {
  const { source, index } = resolved;
  const kept =
    entry.attestations === 'drop' ? resolved.entries.filter((one) => !isAttestationEntry(one)) : resolved.entries;
  const named = applyToOnlyImage(kept, { location: entry.location, platform: entry.platform });
  const entries = entry.change === undefined ? named : changeOnlyImage(named, entry);
  const origin = index === undefined ? 'its config' : 'the source';
  const claims = entries.flatMap((one) => claimWarnings(sourceName(one), platformOf(one), one.detected, origin));
  for (const event of [...resolved.events, ...claims]) onEvent?.(event);
  if (index !== undefined) warnOfLost(formatLocation(source), index.document, onEvent);
  return { source, entries };
}

function changeOnlyImage(entries: readonly Entry[], { change = {}, location }: EntrySpec): readonly Entry[] {
  const [only, ...more] = entries.filter((entry) => !isAttestationEntry(entry));
  if (only === undefined || more.length > 0) {
    throw new MlistError(
      'ERR_MLIST_AMBIGUOUS',
      `${formatLocation(location)} is an index with ${counted(more.length + (only === undefined ? 0 : 1), 'image')}: ` +
        'the platform, annotations and artifact type can be set only for a single image',
      {
        hint: 'Specify a single image, for example by its digest.',
        candidates: [only, ...more].flatMap((one) => (one ? [describeEntry(one)] : [])),
      },
    );
  }
  return entries.map((entry) => (entry === only ? changeEntry(entry, change) : entry));
}

function warnOfLost(source: string, document: object, onEvent: OnEvent | undefined): void {
  const lost = Object.keys(document).filter((name) => !['schemaVersion', 'mediaType', 'manifests'].includes(name));
  if (lost.length === 0) return;
  onEvent?.({
    type: 'warning',
    message:
      `members of the index ${source} are dropped: ${lost.join(', ')}; ` +
      'use "copy" in the spec to keep the index unchanged',
  });
}

async function subjectOf(
  subject: Location | Descriptor | undefined,
  options: DraftingOptions,
): Promise<Descriptor | undefined> {
  if (subject === undefined || 'mediaType' in subject) return subject;
  return minimalDescriptor(await waitForSource(() => lookFor(subject, options), options));
}

/** Throws an error if sources are missing and the list has fewer images than the spec requires. */
function requireEnough(draft: Draft, { minimum = 0 }: EntriesSpec, missing: readonly string[]): void {
  const images = draft.entries.filter((entry) => !isAttestationEntry(entry)).length;
  if (missing.length === 0 || images >= minimum) return;
  const names = missing.join(', ');
  throw new MlistError(
    'ERR_MLIST_NOT_FOUND',
    `found only ${counted(images, 'image')}, but the spec requires at least ${minimum}; missing: ${names}`,
    { reference: listName(draft) },
  );
}
