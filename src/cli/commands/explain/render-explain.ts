import type { Runs } from '../../../host/run-verdict.ts';
import { shortDigest } from '../../../oci/digest.ts';
import type {
  Explained,
  ExplainedClient,
  ExplainedPlatform,
  SelectedEntry,
} from '../../../operations/explain/explain.ts';
import type { Output, Span, Style } from '../../output/output.ts';
import { renderFact } from '../../render/table.ts';
import { escapeLine } from '../../../text/escape.ts';
import { entryNotes, machineText, platformText, selectedImages } from '../../../operations/explain/explain-facts.ts';

/**
 * Prints an explanation without a table, for stdout that is not a terminal: the list, then for each platform what each
 * client selects, and which selected images this machine can run.
 */
export function renderExplained(explained: Explained, output: Output): void {
  const { reference, from, digest, platforms } = explained;
  output.line([reference, 'bold'], ['  ', 'dim'], [from, 'dim']);
  output.line(['digest  ', 'dim'], digest);
  output.line('');
  renderEntries(explained, output);
  for (const platform of platforms) {
    output.line('');
    renderPlatform(platform, output);
    renderRuns(platform, machineText(explained), output);
  }
}

function renderEntries(explained: Explained, output: Output): void {
  const notes = entryNotes(explained);
  // Control characters are escaped before the width is measured, so that the columns align.
  const rows = explained.entries.map(
    (entry) => [entry.place, escapeLine(platformText(entry)), shortDigest(entry.digest)] as const,
  );
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  for (const [place, platform, digest] of rows) {
    const note = notes.get(place);
    output.line(
      ['  ', 'dim'],
      [`${place.padEnd(widths[0] ?? 0)}  `, 'dim'],
      [platform.padEnd(widths[1] ?? 0), 'green'],
      `  ${digest}`,
      [note === undefined ? '' : `  ${note}`, 'yellow'],
    );
  }
}

const verdicts: Readonly<Record<ExplainedPlatform['verdict'], readonly [string, Style]>> = {
  same: ['all clients get the same image', 'green'],
  different: ['clients get different images, all of which run on the requested platform', 'yellow'],
  broken: ['some clients get no image that runs on the requested platform', 'red'],
  nothing: ['no client gets an image that runs on the requested platform', 'red'],
};

function renderPlatform({ platform, verdict, clients }: ExplainedPlatform, output: Output): void {
  output.line([platform, 'bold'], ': ', verdicts[verdict]);
  for (const client of clients) {
    output.line('');
    renderClient(client, output);
  }
}

/**
 * Prints what one client selects, and why.
 * @param width - the columns of the terminal. Default: lines are not wrapped
 */
export function renderClient(
  { name, version, picked, reason, fits, wants, tries, runs }: ExplainedClient,
  output: Output,
  width = Number.POSITIVE_INFINITY,
): void {
  const isTerminal = width < Number.POSITIVE_INFINITY;
  output.line([name, 'cyan'], isTerminal ? '' : [`  ${version}`, 'dim']);
  const fact = (label: string, text: Span) => renderFact([`  ${label.padEnd(8)}`, 'dim'], text, output, width);
  if (isTerminal) fact('version', version);
  const selection = picked === undefined ? 'none' : textOf(picked);
  if (picked !== undefined && !fits)
    fact('picks', [`${selection}, which does not run on the requested platform`, 'red']);
  else fact('picks', [selection, fits ? 'green' : 'red']);
  fact('because', reason);
  if (wants.length > 0) fact('wants', shortened(wants));
  if (tries.length > 0) fact('tries', `${tries.length === 1 ? 'entry' : 'entries'} ${shortened(tries)}`);
  if (runs !== undefined) fact('here', [runs.verdict, runStyles[runs.verdict]]);
}

export const runStyles: Readonly<Record<Runs['verdict'], Style>> = {
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

/** Prints, once for each selected image, whether this machine can run it, with the reason and suggested commands. */
function renderRuns(platform: ExplainedPlatform, machine: string, output: Output): void {
  const images = selectedImages(platform);
  if (images.length === 0) return;
  output.line('');
  output.line(['this machine', 'cyan'], [`  ${machine}`, 'dim']);
  for (const { picked, runs } of images) {
    output.line(
      `  entry ${picked.place}, ${picked.platform ?? ''}: `,
      [runs.verdict, runStyles[runs.verdict]],
      `, ${runs.reason}`,
    );
    for (const next of runs.next) output.line(['    ', 'dim'], next);
  }
}
