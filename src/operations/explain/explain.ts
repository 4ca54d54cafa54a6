import { formatPlatform, type Platform } from '../../oci/platform/platform.ts';
import { compareClients, type ClientChoice, type Verdict } from '../../selection/compare.ts';
import type { SelectionReason } from '../../selection/selection.ts';
import {
  effectivePlatform,
  type RequestedPlatform,
  type Candidate,
  type CandidateList,
} from '../../selection/candidates.ts';
import { MAX_REACHED, unreachable, type Unreachable } from '../../selection/reachability.ts';
import { AnnotationKey, isAttestation } from '../../oci/descriptor.ts';
import { shortDigest, type Digest } from '../../oci/digest.ts';
import { isIndexType, isManifestType } from '../../oci/media-type.ts';
import { ownPlatform, type HostFacts } from '../../host/host-facts.ts';
import { readHost } from '../../host/read-host.ts';
import { runsOn } from '../../host/runs-on.ts';
import type { Runs } from '../../host/run-verdict.ts';
import { readCandidates } from '../read-candidates.ts';
import { contentOf, lookup, type LookupResult, type ReadOptions } from '../lookup.ts';

export interface ExplainOptions extends ReadOptions {
  /** The machine for `runs` and for the default platform. Default: this machine. */
  readonly host?: HostFacts | undefined;
  /**
   * Emit a warning for each platform whose verdict is not `same`, and for each entry, except attestations, that no
   * client selects. Default true.
   */
  readonly warns?: boolean | undefined;
}

/** The result of `explain`: which image each client selects from a list, and why. */
export interface Explained {
  readonly from: LookupResult['from'];
  readonly reference: string;
  readonly mediaType: string;
  readonly digest: Digest;
  readonly host: HostFacts;
  /** The entries in the order of the list. A nested index is followed by its entries. */
  readonly entries: readonly ExplainedEntry[];
  /** One result for each requested platform. */
  readonly platforms: readonly ExplainedPlatform[];
  /** The entries that no client selects for any platform; absent if the list has too many images to determine this. */
  readonly unreachable?: readonly ExplainedUnreachable[];
}

export interface ExplainedEntry {
  /** The position of the entry, such as `2`, or `2.1` for the first entry of the index at position 2. */
  readonly place: string;
  readonly kind: 'image' | 'index' | 'attestation' | 'other';
  readonly digest: Digest;
  readonly mediaType: string;
  readonly platform?: string;
  /** The platform in the image's config, if the entry has none. */
  readonly stated?: string;
  /** The problem if the content of the entry could not be read. */
  readonly fault?: string;
}

export type ExplainedUnreachable = Pick<Unreachable, 'why' | 'reason'> & SelectedEntry;

export interface SelectedEntry {
  readonly place: string;
  readonly digest: Digest;
  readonly platform?: string;
}

export interface ExplainedPlatform {
  readonly platform: string;
  /** Whether this is the platform of the machine, because no platform was requested. */
  readonly isOwn: boolean;
  readonly verdict: Verdict;
  readonly clients: readonly ExplainedClient[];
}

export interface ExplainedClient {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  /** The entry that the client selects; undefined if it selects none. */
  readonly picked?: SelectedEntry;
  readonly why: SelectionReason;
  readonly reason: string;
  /**
   * Whether a machine with the requested platform can run the selected image. False if no image is selected, and true
   * if the platform of the image is unknown.
   */
  readonly fits: boolean;
  /** The platforms that the client accepts, in order of preference. */
  readonly wants: readonly string[];
  /** The positions of the entries that the client considers, in order of preference. */
  readonly tries: readonly string[];
  /** Whether the machine can run the selected image; absent if the image's platform or the machine is unknown. */
  readonly runs?: Runs;
}

/**
 * Determines which image each client selects for each platform and why, and whether this machine can run it.
 * @param platforms - the requested platforms. If empty, the platform that a client on the host requests by default is
 * used
 */
export async function explain(
  name: string | undefined,
  platforms: readonly Platform[],
  options: ExplainOptions,
): Promise<Explained> {
  const host = options.host ?? (await readHost());
  const found = await lookup(name, options);
  const list = await readCandidates(found, options);
  const { mediaType, digest } = contentOf(found).descriptor;
  const requested = platforms.length === 0 ? [requestedByHost(host)] : platforms.map((platform) => ({ platform }));
  const unpickable = unreachableIn(list);
  const explained = requested.map((request) => explainPlatform(list, request, host));
  if (platforms.length === 0) {
    const message = `using ${explained[0]?.platform ?? ''}, the platform of this machine; choose another with --platform`;
    options.onEvent?.({ type: 'note', message });
  }
  if (options.warns !== false) warn(list, explained, unpickable, found.reference, options);
  return {
    from: found.from,
    reference: found.reference,
    mediaType,
    digest,
    host,
    entries: list.entries.flatMap(entriesOf),
    platforms: explained,
    ...(unpickable === undefined ? {} : { unreachable: unpickable }),
  };
}

/**
 * Returns the entries that no client selects for any platform. Returns undefined if the list has more than
 * `MAX_REACHED` images.
 */
export function unreachableIn(list: CandidateList): readonly ExplainedUnreachable[] | undefined {
  return unreachable(list)?.map(({ entry, why, reason }) => ({ ...selectedEntry(entry), why, reason }));
}

/** Returns the platform that a client on the machine requests by default. */
function requestedByHost(host: HostFacts): RequestedPlatform {
  const { os, level } = host;
  return { platform: ownPlatform(host), own: true, ...(os === 'linux' && level !== undefined ? { level } : {}) };
}

/**
 * Determines which image each client selects for one platform.
 * @param host - the machine for the member `runs`, which is omitted if `host` is undefined
 */
export function explainPlatform(
  list: CandidateList,
  requested: RequestedPlatform,
  host: HostFacts | undefined,
): ExplainedPlatform {
  const { verdict, choices } = compareClients(list, requested);
  return {
    platform: formatPlatform(requested.platform, { all: true }),
    isOwn: requested.own === true,
    verdict,
    clients: choices.map((choice) => explainClient(choice, host)),
  };
}

function explainClient(choice: ClientChoice, host: HostFacts | undefined): ExplainedClient {
  const { client, selected, why, reason, fits, wants, tries } = choice;
  const platform = selected && effectivePlatform(selected);
  return {
    id: client.id,
    name: client.name,
    version: client.version,
    ...(selected === undefined ? {} : { picked: selectedEntry(selected) }),
    why,
    reason,
    fits,
    wants,
    tries: tries.map(({ place }) => place),
    ...(platform === undefined || host === undefined ? {} : { runs: runsOn(host, platform) }),
  };
}

function selectedEntry(entry: Candidate): SelectedEntry {
  const platform = effectivePlatform(entry);
  return {
    place: entry.place,
    digest: entry.descriptor.digest,
    ...(platform === undefined ? {} : { platform: formatPlatform(platform, { all: true }) }),
  };
}

function entriesOf(entry: Candidate): readonly ExplainedEntry[] {
  const { place, descriptor, stated, fault, entries = [] } = entry;
  const { digest, mediaType, platform } = descriptor;
  const own: ExplainedEntry = {
    place,
    kind: kindOf(entry),
    digest,
    mediaType,
    ...(platform === undefined ? {} : { platform: formatPlatform(platform, { all: true }) }),
    ...(stated === undefined ? {} : { stated: formatPlatform(stated, { all: true }) }),
    ...(fault === undefined ? {} : { fault }),
  };
  return [own, ...entries.flatMap(entriesOf)];
}

function kindOf({ descriptor }: Candidate): ExplainedEntry['kind'] {
  if (isAttestation(descriptor)) return 'attestation';
  if (isIndexType(descriptor.mediaType)) return 'index';
  return isManifestType(descriptor.mediaType) ? 'image' : 'other';
}

function warn(
  list: CandidateList,
  platforms: readonly ExplainedPlatform[],
  unpickable: readonly ExplainedUnreachable[] | undefined,
  reference: string,
  { onEvent }: ReadOptions,
): void {
  const report = (message: string) => onEvent?.({ type: 'warning', message });
  for (const { platform, verdict, clients } of platforms) {
    const message = differenceText(verdict, clients, list);
    if (message !== undefined) report(`for ${platform}, ${message}`);
  }
  if (unpickable === undefined)
    report(`${reference} has more than ${MAX_REACHED} images, so entries that no client selects are not reported`);
  for (const { place, digest, why, reason } of unpickable ?? []) {
    if (why !== 'attestation') report(`no client selects entry ${place} (${shortDigest(digest)}): ${reason}`);
  }
}

/** Describes how the selections of the clients differ. Returns undefined if all clients select the same image. */
function differenceText(
  verdict: Verdict,
  clients: readonly ExplainedClient[],
  list: CandidateList,
): string | undefined {
  switch (verdict) {
    case 'same':
      return undefined;
    case 'different':
      return `clients get different images: ${groups(clients)}${hasTwins(list) ? ' (the list has zstd twins)' : ''}`;
    case 'broken':
      return `some clients get no image that runs on the requested platform: ${groups(clients)}`;
    case 'nothing':
      return 'no client gets an image that runs on the requested platform';
  }
}

function groups(clients: readonly ExplainedClient[]): string {
  const bySelection = new Map<string, string[]>();
  for (const { id, picked, fits } of clients) {
    const selection = picked === undefined ? 'no image' : `entry ${picked.place}${fits ? '' : ' (cannot run)'}`;
    bySelection.set(selection, [...(bySelection.get(selection) ?? []), id]);
  }
  return [...bySelection].map(([selection, ids]) => `${selection} for ${ids.join(', ')}`).join('; ');
}

function hasTwins({ entries }: CandidateList): boolean {
  return entries.some(({ descriptor }) => descriptor.annotations?.[AnnotationKey.zstd] === 'true');
}
