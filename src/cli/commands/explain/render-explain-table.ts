import type { Runs } from '../../../host/run-verdict.ts';
import { shortDigest } from '../../../oci/digest.ts';
import type { Explained, ExplainedPlatform } from '../../../operations/explain/explain.ts';
import type { Output, Span } from '../../output/output.ts';
import { renderFact, renderTable, renderTitle, type Column } from '../../render/table.ts';
import {
  entryNotes,
  getsText,
  isDivided,
  machineText,
  platformText,
  selectedImages,
  summaryOf,
} from '../../../operations/explain/explain-facts.ts';
import { renderClient, runStyles } from './render-explain.ts';

export interface TableOptions {
  /** Whether to print the attestations, and all details of each client. */
  readonly verbose: boolean;
  readonly width: number;
}

/** Prints an explanation on a terminal: the list, and for each platform a sentence and a table of the clients. */
export function renderExplainTable(explained: Explained, options: TableOptions, output: Output): void {
  const { width } = options;
  renderTitle(explained, output, width);
  renderFact(['digest  ', 'dim'], explained.digest, output, width);
  renderEntries(explained, options, output);
  for (const platform of explained.platforms) {
    output.line('');
    renderPlatform(platform, options, output);
    renderRuns(platform, machineText(explained), options, output);
  }
}

const entryColumns: readonly Column[] = [
  { header: 'ENTRY', style: 'dim' },
  { header: 'PLATFORM', style: 'green', wraps: true },
  { header: 'DIGEST' },
  { header: 'NOTE', style: 'yellow' },
];

/**
 * Prints the entries if an entry has a note, or if clients get different images or no image that runs on a requested
 * platform. With `verbose`, always prints them.
 */
function renderEntries(explained: Explained, { verbose, width }: TableOptions, output: Output): void {
  const notes = entryNotes(explained);
  if (!verbose && notes.size === 0 && !explained.platforms.some(isDivided)) return;
  output.line('');
  const rows = explained.entries
    .filter(({ kind, fault }) => verbose || kind !== 'attestation' || fault !== undefined)
    .map((entry) => [entry.place, platformText(entry), shortDigest(entry.digest), notes.get(entry.place) ?? '']);
  renderTable(entryColumns, rows, output, width);
}

const clientColumns: readonly Column[] = [
  { header: 'CLIENT', style: 'cyan' },
  { header: 'GETS', wraps: true },
  { header: 'RUNS HERE' },
  { header: 'BECAUSE' },
];

function renderPlatform(platform: ExplainedPlatform, { verbose, width }: TableOptions, output: Output): void {
  const { text, style } = summaryOf(platform);
  renderFact([`${platform.platform}: `, 'bold'], [text, style], output, width);
  output.line('');
  const hasReasons = isDivided(platform) && !verbose;
  const rows = platform.clients.map((client): readonly Span[] => [
    client.name,
    [getsText(client), client.fits ? 'green' : 'red'],
    verdictSpan(client.runs),
    hasReasons ? client.reason : '',
  ]);
  renderTable(clientColumns, rows, output, width);
  if (!verbose) return;
  for (const client of platform.clients) {
    output.line('');
    renderClient(client, output, width);
  }
}

function verdictSpan(runs: Runs | undefined): Span {
  return runs === undefined ? '-' : [runs.verdict, runStyles[runs.verdict]];
}

/**
 * Prints whether this machine can run the selected images, with the reason and suggested commands. Without `verbose`,
 * images that run natively are omitted.
 */
function renderRuns(platform: ExplainedPlatform, machine: string, options: TableOptions, output: Output): void {
  const { verbose, width } = options;
  const images = selectedImages(platform).filter(({ runs }) => verbose || runs.verdict !== 'native');
  if (images.length === 0) return;
  output.line('');
  for (const { picked, runs } of images) {
    const label = `${picked.platform ?? 'no platform'} on this machine (${machine}): `;
    renderFact('', [`${label}${runs.reason}`, runStyles[runs.verdict]], output, width);
    for (const next of runs.next) renderFact('  ', next, output, width);
  }
}
