import { MlistError } from '../errors.ts';
import { isAttestationEntry, type Draft, type Entry } from '../draft/draft.ts';
import { describeEntry } from '../draft/select.ts';
import type { EncodedList } from '../draft/list.ts';
import { bareDescriptor, type Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { parseLocation, sameHome } from '../oci/location.ts';
import { readGraph, type ManifestNode } from '../transfer/graph.ts';
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
  readonly signal?: AbortSignal | undefined;
}

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
  const listed = draft.entries.filter((_, at) => needed[at] === undefined).map(bareDescriptor);
  const there = options.survey === true ? [...listed, ...(await survey(home, nodes, options))] : [];
  return planTransfer(home, nodes, root, { there });
}

/** What the target has of what it is to get: manifests, and of those that it lacks the blobs. Each is asked for once. */
async function survey(
  home: WritableHome,
  nodes: readonly ManifestNode[],
  options: PlanOptions,
): Promise<readonly Descriptor[]> {
  const manifests = unique(nodes.map(({ content }) => bareDescriptor(content.descriptor)));
  const isThere = await Promise.all(manifests.map(({ digest }) => home.hasManifest(digest, options)));
  const there = manifests.filter((_, at) => isThere[at]);
  const known = new Set(there.map(({ digest }) => digest));
  const lacking = nodes.filter(({ content }) => !known.has(content.descriptor.digest));
  const blobs = unique(lacking.flatMap(blobsBelow));
  const hasBlob = await Promise.all(blobs.map((blob) => home.hasBlob(blob, options)));
  return [...there, ...blobs.filter((_, at) => hasBlob[at])];
}

function blobsBelow(node: ManifestNode): readonly Descriptor[] {
  return [...node.blobs.map(bareDescriptor), ...node.children.flatMap(blobsBelow)];
}

function unique(descriptors: readonly Descriptor[]): readonly Descriptor[] {
  return [...new Map(descriptors.map((descriptor) => [descriptor.digest, descriptor])).values()];
}

/** The manifest of an entry with all below it, if the target may lack it. */
async function nodeOf(
  entry: Entry,
  { target, home }: PushPlanning,
  options: PlanOptions,
): Promise<ManifestNode | undefined> {
  const { homes, signal } = options;
  const cached = (digest: Digest) => homes.cache.get(digest);
  if (!liesIn(entry, target)) {
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
