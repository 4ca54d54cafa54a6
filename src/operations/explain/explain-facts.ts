import { shortDigest } from '../../oci/digest.ts';
import { counted } from '../../text/quantity.ts';
import type { Explained, ExplainedClient, ExplainedEntry, ExplainedPlatform } from './explain.ts';

/** This file describes the images that clients select, for terminals, Markdown and HTML. */

/** A summary of the selections of all clients for one platform, and the colour in which it is shown. */
export interface PlatformSummary {
  readonly text: string;
  readonly style: 'green' | 'yellow' | 'red';
}

export function summaryOf({ verdict, clients }: ExplainedPlatform): PlatformSummary {
  switch (verdict) {
    case 'same':
      return { text: `all clients get ${pickedText(clients)}${runsText(clients)}`, style: 'green' };
    case 'different':
      return { text: 'clients get different images, all of which run on the requested platform', style: 'yellow' };
    case 'broken': {
      const count = clients.filter(({ fits }) => !fits).length;
      const subject = `${count} of ${counted(clients.length, 'client')} ${count === 1 ? 'gets' : 'get'}`;
      return { text: `${subject} no image that runs on the requested platform`, style: 'red' };
    }
    case 'nothing':
      return { text: 'no client gets an image that runs on the requested platform', style: 'red' };
  }
}

function pickedText([client]: readonly ExplainedClient[]): string {
  return client?.picked?.platform ?? 'the same image';
}

function runsText([client]: readonly ExplainedClient[]): string {
  switch (client?.runs?.verdict) {
    case 'native':
      return ', which runs here';
    case 'emulated':
      return ', which runs here with emulation';
    case 'no':
      return ', which does not run here';
    default:
      return '';
  }
}

/** Returns the platform of an entry, preceded by its kind if it is not an image: `index, no platform`. */
export function platformText({ kind, platform, stated }: ExplainedEntry): string {
  const text = platform ?? (stated === undefined ? 'no platform' : `no platform (config: ${stated})`);
  return kind === 'image' ? text : `${kind}, ${text}`;
}

/** Returns the image that a client gets, such as `linux/arm64/v8 sha256:1a2b3c4d5e6f`, or `nothing`. */
export function getsText({ picked, fits }: ExplainedClient): string {
  if (picked === undefined) return 'nothing';
  const { platform = 'no platform', digest } = picked;
  return `${platform} ${shortDigest(digest)}${fits ? '' : ' (cannot run)'}`;
}

/**
 * Whether clients select different images, no image, or an image that cannot run. In these cases, the output explains
 * each selection.
 */
export function isDivided({ verdict }: ExplainedPlatform): boolean {
  return verdict !== 'same';
}

/**
 * Returns a note for each entry that no client selects or that cannot be read, keyed by the position of the entry.
 * Clients never select attestations, so an attestation has a note only if it cannot be read.
 */
export function entryNotes({ entries, unreachable = [] }: Explained): ReadonlyMap<string, string> {
  const never = new Map(unreachable.map(({ place, reason }) => [place, `no client selects it: ${reason}`]));
  return new Map(
    entries.flatMap(({ place, kind, fault }) => {
      const note = (kind === 'attestation' ? undefined : never.get(place)) ?? fault;
      return note === undefined ? [] : [[place, note] as const];
    }),
  );
}

/** Returns the platform of the machine, such as `linux/amd64/v3`. */
export function machineText({ host }: Pick<Explained, 'host'>): string {
  return [host.os, host.architecture, host.variant ?? host.level].filter(Boolean).join('/');
}

export type SelectedImage = Required<Pick<ExplainedClient, 'picked' | 'runs'>>;

/**
 * Returns the images that clients select, without duplicates. Omits images whose `runs` is undefined.
 */
export function selectedImages({ clients }: ExplainedPlatform): readonly SelectedImage[] {
  const images = clients.flatMap(({ picked, runs }) =>
    picked && runs ? [[picked.place, { picked, runs }] as const] : [],
  );
  return [...new Map(images).values()];
}
