import { shortDigest } from '../../oci/digest.ts';
import { counted } from '../../text/quantity.ts';
import type { Explained, ExplainedClient, ExplainedEntry, ExplainedPlatform } from './explain.ts';

/** Texts about the images that clients select, for terminals, Markdown and HTML. */

/** Describes the image that all clients select or, if they differ, the differences. */
export interface PlatformSummary {
  readonly text: string;
  readonly style: 'green' | 'yellow' | 'red';
}

export function summaryOf({ verdict, clients }: ExplainedPlatform): PlatformSummary {
  switch (verdict) {
    case 'same':
      return { text: `all clients get ${pickedText(clients)}${runsText(clients)}`, style: 'green' };
    case 'different':
      return { text: 'clients get different images, each of which fits', style: 'yellow' };
    case 'broken': {
      const count = clients.filter(({ fits }) => !fits).length;
      const verb = count === 1 ? 'gets' : 'get';
      return { text: `${count} of ${counted(clients.length, 'client')} ${verb} no image that fits`, style: 'red' };
    }
    case 'nothing':
      return { text: 'no client gets an image that fits', style: 'red' };
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

/** The platform of an entry, and its kind unless it is an image. */
export function platformText({ kind, platform, stated }: ExplainedEntry): string {
  const text = platform ?? (stated === undefined ? 'without platform' : `without platform (config: ${stated})`);
  return kind === 'image' ? text : `${kind}, ${text}`;
}

/** The image that a client gets: `linux/arm64/v8 sha256:1a2b3c4d5e6f`. */
export function getsText({ picked, fits }: ExplainedClient): string {
  if (picked === undefined) return 'nothing';
  const { platform = 'no platform', digest } = picked;
  return `${platform} ${shortDigest(digest)}${fits ? '' : ' (does not fit)'}`;
}

/** Whether the clients differ, so that the reasons have to be shown. */
export function isDivided({ verdict }: ExplainedPlatform): boolean {
  return verdict !== 'same';
}

/** Why no client selects an entry, or why it cannot be read, by the position of the entry. */
export function entryNotes({ entries, unreachable = [] }: Explained): ReadonlyMap<string, string> {
  const never = new Map(unreachable.map(({ place, reason }) => [place, `no client selects it: ${reason}`]));
  return new Map(
    entries.flatMap(({ place, kind, fault }) => {
      const note = (kind === 'attestation' ? undefined : never.get(place)) ?? fault;
      return note === undefined ? [] : [[place, note] as const];
    }),
  );
}

/** This machine, such as `linux/amd64/v3`. */
export function machineText({ host }: Pick<Explained, 'host'>): string {
  return [host.os, host.architecture, host.variant ?? host.level].filter(Boolean).join('/');
}

export type SelectedImage = Required<Pick<ExplainedClient, 'picked' | 'runs'>>;

/**
 * The images that clients select, without duplicates and without those for which it is unknown whether this machine
 * runs them.
 */
export function selectedImages({ clients }: ExplainedPlatform): readonly SelectedImage[] {
  const images = clients.flatMap(({ picked, runs }) =>
    picked && runs ? [[picked.place, { picked, runs }] as const] : [],
  );
  return [...new Map(images).values()];
}
