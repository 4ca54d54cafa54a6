import { MlistError } from '../errors.ts';
import { isAttestationEntry, type Draft, type Entry } from '../draft/draft.ts';
import { describeEntry } from '../draft/select.ts';
import type { EncodedList } from '../draft/list.ts';
import { bareDescriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { parseLocation, sameHome } from '../oci/location.ts';
import { isManifestType } from '../oci/media-type.ts';
import { graphOf, readGraph, type ManifestNode } from '../transfer/graph.ts';
import { planTransfer, type Plan } from '../transfer/plan.ts';
import type { Homes, WritableHome } from './homes.ts';
import type { TargetRepository } from './target.ts';

export interface PlanOptions {
  readonly homes: Homes;
  /** Ask the target for every child, whatever is known of it. */
  readonly force?: boolean | undefined;
  /** Ask the target what it has of children from elsewhere: for a plan that is to be shown, not run. */
  readonly survey?: boolean | undefined;
  /** Send again what was kept of children that lie in the target by what the draft says. */
  readonly resend?: boolean | undefined;
  readonly ifMatch?: Digest | undefined;
  /** What `readAhead` has read. */
  readonly ahead?: ReadAhead | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Images by their digest; undefined where they are not at hand. */
export type ReadAhead = ReadonlyMap<Digest, Promise<ManifestNode | undefined>>;

/** What was read longer ago may have been removed since by a registry's clean-up. */
const TRUSTED_MS = 10 * 60 * 1000;

/** Whether an entry's manifest lies in the target by what the draft says. */
export function liesIn(entry: Entry, { location }: TargetRepository): boolean {
  return sameHome(parseLocation(entry.source), location);
}

/** What is pushed, and where to. */
export interface PushPlanning {
  readonly draft: Draft;
  readonly encoded: EncodedList;
  readonly target: TargetRepository;
  /** The target, opened for writing. */
  readonly home: WritableHome;
}

/** Finds out what one target lacks, and in which order it is to get it. */
export async function planPush(planning: PushPlanning, options: PlanOptions): Promise<Plan> {
  const { draft, encoded: list, target, home } = planning;
  const needed = await Promise.all(draft.entries.map((entry) => nodeOf(entry, planning, options)));
  const nodes = needed.filter((node) => node !== undefined);
  const descriptor = { mediaType: list.mediaType, digest: list.digest, size: list.bytes.length };
  const root = { content: { descriptor, bytes: list.bytes }, names: target.tags, ifMatch: options.ifMatch };
  const present = new Set<Digest>();
  if (options.survey === true) {
    const there = await Promise.all(nodes.map(({ content }) => home.hasManifest(content.descriptor.digest, options)));
    nodes.filter((_, at) => there[at]).forEach(({ content }) => present.add(content.descriptor.digest));
  }
  return planTransfer(home, nodes, root, { present });
}

/**
 * Reads what lies in the cache of images from elsewhere, while a registry is still being asked whether they are needed.
 * What cannot be read is nothing here: it is read again, and told of, where it is needed.
 */
export function readAhead(
  { draft, target }: Pick<PushPlanning, 'draft' | 'target'>,
  { homes }: PlanOptions,
): ReadAhead {
  const images = draft.entries.filter((entry) => isManifestType(entry.mediaType) && !liesIn(entry, target));
  const read = async (entry: Entry): Promise<ManifestNode | undefined> => {
    const bytes = await homes.cache.get(entry.digest);
    if (bytes?.length !== entry.size) return undefined;
    return graphOf(await homes.source(parseLocation(entry.source)), { descriptor: bareDescriptor(entry), bytes });
  };
  return new Map(images.map((entry) => [entry.digest, read(entry).catch(() => undefined)]));
}

/** The manifest of an entry with all below it, if the target may lack it. */
async function nodeOf(
  entry: Entry,
  { target, home }: PushPlanning,
  options: PlanOptions,
): Promise<ManifestNode | undefined> {
  const { homes, ahead, signal } = options;
  const cached = (digest: Digest) => homes.cache.get(digest);
  if (!liesIn(entry, target)) {
    const known = await ahead?.get(entry.digest);
    if (known !== undefined) return known;
    return readGraph(await homes.source(parseLocation(entry.source), { signal }), entry, { cached, signal });
  }
  const { resend = false } = options;
  const isNear = target.location.kind !== 'registry';
  if (!resend && !isNear && !(await isDoubtful(entry, options))) return undefined;
  if (!resend && (await home.hasManifest(entry.digest, { signal }))) return undefined;
  const bytes = await cached(entry.digest);
  if (bytes === undefined && !resend) throw gone(entry);
  return (
    bytes && {
      content: { descriptor: bareDescriptor(entry), bytes },
      source: home,
      blobs: [],
      foreign: [],
      children: [],
    }
  );
}

async function isDoubtful(entry: Entry, { homes, force = false }: PlanOptions): Promise<boolean> {
  if (force) return true;
  const age = await homes.cache.age(entry.via ?? entry.digest);
  return age === undefined || age > TRUSTED_MS;
}

function gone(entry: Entry): MlistError {
  const what = isAttestationEntry(entry) ? 'attestation' : 'image';
  return new MlistError('ERR_MLIST_NOT_FOUND', `the ${what} ${describeEntry(entry)} is gone from its repository`, {
    reference: entry.source,
    hint: 'Bring the draft up to date with "mlist create --amend", or take the entry out.',
  });
}
