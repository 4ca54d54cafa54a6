import type { Runs } from '../../../host/run-verdict.ts';
import { shortDigest } from '../../../oci/digest.ts';
import type {
  Explained,
  ExplainedClient,
  ExplainedEntry,
  ExplainedPlatform,
  SelectedEntry,
} from '../../../operations/explain/explain.ts';
import type { Output, Style } from '../../output/output.ts';
import { escapeLine } from '../../../text/escape.ts';

/** Prints the list, then for each platform the selection of each client, and whether this machine runs the images. */
export function renderExplained(explained: Explained, output: Output): void {
  const { reference, from, digest, platforms, host } = explained;
  output.line([reference, 'bold'], ['  ', 'dim'], [from, 'dim']);
  output.line(['digest  ', 'dim'], digest);
  output.line('');
  renderEntries(explained, output);
  for (const platform of platforms) {
    output.line('');
    renderPlatform(platform, output);
    renderRuns(platform, [host.os, host.architecture, host.variant ?? host.level].filter(Boolean).join('/'), output);
  }
}

function renderEntries({ entries, unreachable = [] }: Explained, output: Output): void {
  const never = new Map(unreachable.map(({ place, reason }) => [place, reason]));
  // Control characters are escaped before the width is measured, so that the columns align.
  const rows = entries.map(
    (entry) => [entry.place, escapeLine(platformText(entry)), shortDigest(entry.digest)] as const,
  );
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  for (const [at, [place, platform, digest]] of rows.entries()) {
    const entry = entries[at];
    const reason = entry?.kind === 'attestation' ? undefined : never.get(place);
    const note = reason === undefined ? entry?.fault : `no client selects it: ${reason}`;
    output.line(
      ['  ', 'dim'],
      [`${place.padEnd(widths[0] ?? 0)}  `, 'dim'],
      [platform.padEnd(widths[1] ?? 0), 'green'],
      `  ${digest}`,
      [note === undefined ? '' : `  ${note}`, 'yellow'],
    );
  }
}

function platformText({ kind, platform, stated }: ExplainedEntry): string {
  const text = platform ?? (stated === undefined ? 'without platform' : `without platform (config: ${stated})`);
  return kind === 'image' ? text : `${kind}, ${text}`;
}

const verdicts: Readonly<Record<ExplainedPlatform['verdict'], readonly [string, Style]>> = {
  same: ['all clients get the same image', 'green'],
  different: ['clients get different images, each of which fits', 'yellow'],
  broken: ['some clients get no image that fits', 'red'],
  nothing: ['no client gets an image that fits', 'red'],
};

function renderPlatform({ platform, verdict, clients }: ExplainedPlatform, output: Output): void {
  output.line([platform, 'bold'], ': ', verdicts[verdict]);
  for (const client of clients) {
    output.line('');
    renderClient(client, output);
  }
}

function renderClient(
  { name, version, picked, reason, fits, wants, tries, runs }: ExplainedClient,
  output: Output,
): void {
  output.line([name, 'cyan'], [`  ${version}`, 'dim']);
  const selection = picked === undefined ? 'none' : textOf(picked);
  output.line(
    ['  picks   ', 'dim'],
    [selection, fits ? 'green' : 'red'],
    picked !== undefined && !fits ? ', which does not fit' : '',
  );
  output.line(['  because ', 'dim'], reason);
  if (wants.length > 0) output.line(['  wants   ', 'dim'], shortened(wants));
  if (tries.length > 0)
    output.line(['  tries   ', 'dim'], `${tries.length === 1 ? 'entry' : 'entries'} ${shortened(tries)}`);
  if (runs !== undefined) output.line(['  here    ', 'dim'], [runs.verdict, styles[runs.verdict]]);
}

const styles: Readonly<Record<Runs['verdict'], Style>> = {
  native: 'green',
  emulated: 'yellow',
  no: 'red',
  unknown: 'yellow',
};

const MAX_SHOWN = 12;

function shortened(words: readonly string[]): string {
  const more = words.length - MAX_SHOWN;
  return [...words.slice(0, MAX_SHOWN), ...(more > 0 ? [`${more} more`] : [])].join(', ');
}

function textOf({ place, platform, digest }: SelectedEntry): string {
  return `entry ${place}, ${platform ?? 'no platform'}, ${shortDigest(digest)}`;
}

/** Prints each selected image once, and whether this machine runs it. */
function renderRuns({ clients }: ExplainedPlatform, machine: string, output: Output): void {
  const images = new Map(
    clients.flatMap(({ picked, runs }) => (picked && runs ? [[picked.place, { picked, runs }] as const] : [])),
  );
  if (images.size === 0) return;
  output.line('');
  output.line(['this machine', 'cyan'], [`  ${machine}`, 'dim']);
  for (const { picked, runs } of images.values()) {
    output.line(
      `  entry ${picked.place}, ${picked.platform ?? ''}: `,
      [runs.verdict, styles[runs.verdict]],
      `, ${runs.reason}`,
    );
    for (const next of runs.next) output.line(['    ', 'dim'], next);
  }
}
