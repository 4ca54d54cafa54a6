import type { Annotations } from '../oci/descriptor.ts';
import {
  annotationsOf,
  isAttestationEntry,
  platformMembers,
  platformOf,
  type Draft,
  type Entry,
  type EntrySettings,
  type PlatformSettings,
} from './draft.ts';

/** This file contains the edits of drafts. All functions are pure: they return new drafts and entries. */

/** A change to an entry, by `annotate` or in a spec. Null removes a value; absent members are not changed. */
export interface EntryChange {
  readonly platform?: PlatformChange | undefined;
  readonly features?: FeatureChange | undefined;
  readonly annotations?: AnnotationChange | undefined;
  readonly artifactType?: string | null | undefined;
}

/** Changes to os, architecture, variant and os.version. `FeatureChange` changes os.features. */
export type PlatformChange = Omit<PlatformSettings, 'os.features'>;

export interface FeatureChange {
  /** Whether to remove the existing features first. */
  readonly clear: boolean;
  readonly add: readonly string[];
}

/** The new values of annotations, keyed by annotation key. Null removes the annotation. */
export type AnnotationChange = Readonly<Record<string, string | null>>;

/** A change to the list itself, by `annotate` or in a spec. */
export interface ListChange {
  readonly annotations?: AnnotationChange | undefined;
  readonly artifactType?: string | null | undefined;
  readonly subject?: Draft['subject'] | null;
}

export function changeEntries(draft: Draft, chosen: readonly Entry[], change: EntryChange): Draft {
  const entries = draft.entries.map((entry) => (chosen.includes(entry) ? changeEntry(entry, change) : entry));
  return { ...draft, entries };
}

export function changeEntry(entry: Entry, change: EntryChange): Entry {
  const { set: before, ...rest } = entry;
  const set: EntrySettings = {
    ...before,
    ...change.platform,
    ...(change.features === undefined ? {} : { 'os.features': changedFeatures(entry, change.features) }),
    ...(change.annotations === undefined ? {} : { annotations: { ...before?.annotations, ...change.annotations } }),
    ...(change.artifactType === undefined ? {} : { artifactType: change.artifactType }),
  };
  return withSettings(rest, set);
}

function changedFeatures(entry: Entry, { clear, add }: FeatureChange): readonly string[] | null {
  const before = clear ? [] : (platformOf(entry)?.['os.features'] ?? []);
  const features = [...new Set([...before, ...add])];
  return features.length === 0 ? null : features;
}

/**
 * Returns the entry with these settings. Settings that equal the values of the source are omitted, because they would
 * override the values that the source has when it is read again.
 */
function withSettings(entry: Omit<Entry, 'set'>, set: EntrySettings): Entry {
  const platform = platformMembers.filter(
    (name) => set[name] !== undefined && !isSame(set[name], entry.detected?.[name]),
  );
  const annotations = Object.entries(set.annotations ?? {}).filter(
    ([name, value]) => !isSame(value, entry.annotations?.[name]),
  );
  const isArtifact = set.artifactType !== undefined && !isSame(set.artifactType, entry.artifactType);
  const kept: EntrySettings = {
    ...Object.fromEntries(platform.map((name) => [name, set[name]])),
    ...(annotations.length === 0 ? {} : { annotations: Object.fromEntries(annotations) }),
    ...(isArtifact ? { artifactType: set.artifactType } : {}),
  };
  return Object.keys(kept).length === 0 ? entry : { ...entry, set: kept };
}

function isSame(setting: unknown, stated: unknown): boolean {
  return setting === null ? stated === undefined : JSON.stringify(setting) === JSON.stringify(stated);
}

/** Adds the author's settings from the old entry to a newly read one, whose own settings take precedence. */
export function inheritSettings(entry: Entry, old: Entry): Entry {
  const { set, ...rest } = entry;
  return withSettings(rest, { ...old.set, ...set });
}

export function changeList(draft: Draft, change: ListChange): Draft {
  const { annotations, artifactType, subject, ...rest } = draft;
  const changed = change.annotations === undefined ? annotations : changedAnnotations(annotations, change.annotations);
  const type = change.artifactType === undefined ? artifactType : (change.artifactType ?? undefined);
  const newSubject = change.subject === undefined ? subject : (change.subject ?? undefined);
  return {
    ...rest,
    ...(changed === undefined ? {} : { annotations: changed }),
    ...(type === undefined ? {} : { artifactType: type }),
    ...(newSubject === undefined ? {} : { subject: newSubject }),
  };
}

function changedAnnotations(before: Annotations | undefined, change: AnnotationChange): Annotations | undefined {
  return annotationsOf({ ...(before === undefined ? {} : { annotations: before }), set: { annotations: change } });
}

/** Removes entries, and the attestations of removed images. */
export function removeEntries(draft: Draft, chosen: readonly Entry[]): Draft {
  return { ...draft, entries: withoutEntries(draft.entries, chosen) };
}

/** Returns the entries without the chosen ones, and without the attestations of images that are then missing. */
export function withoutEntries(entries: readonly Entry[], chosen: readonly Entry[]): readonly Entry[] {
  const kept = entries.filter((entry) => !chosen.includes(entry));
  const gone = new Set(
    chosen.map((entry) => entry.digest).filter((digest) => !kept.some((entry) => entry.digest === digest)),
  );
  return kept.filter((entry) => entry.attests === undefined || !gone.has(entry.attests));
}

/**
 * Returns the images for which `passes` is true, with their attestations. Attestations whose image is not in the list
 * are kept, too.
 */
export function keepImages(entries: readonly Entry[], passes: (entry: Entry) => boolean): readonly Entry[] {
  const dropped = entries.filter((entry) => !isAttestationEntry(entry) && !passes(entry));
  return withoutEntries(entries, dropped);
}
