import type { EntryView } from '../operations/inspect/entry-view.ts';
import { availableText, digestText, entryLabel, isIncomplete, listFacts } from '../operations/inspect/list-facts.ts';
import type { ListView } from '../operations/inspect/show.ts';
import type { Overview } from '../operations/overview/overview.ts';
import { isIndexType, isManifestType, MediaType } from '../oci/media-type.ts';
import { byteSize, counted } from '../text/quantity.ts';
import { clientSection } from './client-section.ts';
import { contentTree, isPage, type HrefOf } from './content-tree.ts';
import { commandsFor } from './command-lines.ts';
import { document, type PageContent } from './document.ts';
import { clipped, markup, webAddress, type Html, type HtmlValue } from './html.ts';
import { jsonSection } from './json-section.ts';
import {
  code,
  commandList,
  copyButton,
  digestCode,
  factList,
  filterBox,
  jumpLinks,
  sectionOf,
  table,
  type Command,
  type Fact,
  type Section,
} from './parts.ts';

/** The parts of a page that differ between a page of the registry and a single HTML file. */
export interface OverviewFrame {
  readonly trail: PageContent['trail'];
  readonly heading: string;
  readonly hrefOf: HrefOf;
  readonly commands: readonly Command[];
}

/** The maximum number of table rows. Browsers display longer tables slowly. */
const MAX_ROWS = 1000;
const MAX_ANNOTATIONS = 200;
const MAX_TEXT = 2000;
/** The maximum number of characters in a table cell. It is small, because a table has many cells. */
const MAX_CELL = 120;
/** A table with fewer rows than this has no filter. */
const MIN_FILTERED = 6;

/** Returns the page of a list or an image. */
export function overviewPage(overview: Overview, { trail, heading, hrefOf, commands }: OverviewFrame): PageContent {
  const { view, bytes } = overview;
  const platforms = section('platforms', 'Platforms', platformTable(view, hrefOf));
  const sideBySide = [
    ...section('commands', 'Commands', commandList(commands)),
    ...section('annotations', 'Annotations', annotationList(view)),
  ];
  const others = [
    ...section('clients', 'Clients', clientSection(overview)),
    ...section('content', 'Content', contentTree(view, hrefOf)),
    ...section('json', 'JSON', jsonSection(bytes)),
  ];
  const body = markup`<h1>${heading}</h1>
<p class="lead">${leadOf(view)}</p>
${jumpLinks([...platforms, ...sideBySide, ...others])}
<section class="facts" aria-label="Facts">${factList(factsOf(view))}</section>
${platforms.map(sectionOf)}
<div class="columns">${sideBySide.map(sectionOf)}</div>
${others.map(sectionOf)}`;
  return { title: `${heading} · mlist`, trail, body };
}

/** Returns the page of a list or an image as a single HTML file, without links to other pages. */
export function overviewFile(overview: Overview): string {
  const { reference } = overview.view;
  const frame = { trail: [{ text: 'mlist' }, { text: reference }], heading: reference };
  return document(overviewPage(overview, { ...frame, hrefOf: () => undefined, commands: commandsFor(overview.view) }));
}

function section(id: string, title: string, body: Html | undefined): readonly Section[] {
  return body === undefined ? [] : [{ id, title, body }];
}

/** Returns the line below the heading, such as `OCI image index · 3 images · 2 attestations`. */
function leadOf(view: ListView): string {
  const { mediaType, entries, artifactType, from } = view;
  const images = entries.filter((entry) => isManifestType(entry.mediaType ?? '') || entry.image !== undefined);
  const attestations = entries.reduce((sum, entry) => sum + entry.attestations.length, 0);
  return [
    kindOf(mediaType, artifactType),
    ...(from === 'draft' ? ['draft'] : []),
    ...(isIndexType(mediaType) ? [counted(images.length, 'image')] : []),
    ...(attestations > 0 ? [counted(attestations, 'attestation')] : []),
  ].join(' · ');
}

/** Returns the display name of a media type. An OCI manifest with an artifact type is an artifact. */
export function kindOf(mediaType: string, artifactType?: string): string {
  switch (mediaType) {
    case MediaType.ociIndex:
      return 'OCI image index';
    case MediaType.dockerList:
      return 'Docker manifest list';
    case MediaType.ociManifest:
      return artifactType === undefined ? 'OCI image' : 'OCI artifact';
    case MediaType.dockerManifest:
      return 'Docker image';
    default:
      return 'Other content';
  }
}

function factsOf(view: ListView): readonly Fact[] {
  return listFacts(view).map(([label, text]): Fact => {
    if (label === 'size' || label === 'platform') return [label, clipped(text, MAX_TEXT)];
    const isDigest = label === 'digest' && view.digest !== undefined;
    return [label, [code(text), isDigest && markup` ${copyButton(text, 'the digest')}`]];
  });
}

const columns = [
  { header: 'Platform' },
  { header: 'Size', kind: 'number' },
  { header: 'Layers', kind: 'number' },
  { header: 'Attestations', kind: 'number' },
  { header: 'Digest', kind: 'digest' },
  { header: 'Set' },
  { header: 'Available' },
  { header: 'Problem' },
  { header: 'Source' },
] as const;

function platformTable({ entries }: ListView, hrefOf: HrefOf): Html | undefined {
  if (entries.length === 0) return undefined;
  const isSparse = entries.some(isIncomplete);
  const rows = entries.slice(0, MAX_ROWS).map((entry) => ({
    cells: cellsOf(entry, isSparse, hrefOf),
    search: `${entryLabel(entry).slice(0, MAX_CELL)} ${entry.digest ?? ''}`,
  }));
  const more = entries.length - rows.length;
  const filter = rows.length < MIN_FILTERED ? undefined : filterBox('entries', 'linux arm64');
  return markup`${filter}${table({ id: 'entries', label: 'Entries of the list', columns, rows })}${notDisplayed(more, 'entry', 'entries')}`;
}

function cellsOf(entry: EntryView, isSparse: boolean, hrefOf: HrefOf): readonly HtmlValue[] {
  const { digest, imageSize, layers, attestations, set = [], fault, source } = entry;
  const link = digest === undefined || !isPage(entry) ? undefined : hrefOf(digest);
  const label = entryLabel(entry);
  return [
    clipped(label, MAX_CELL),
    imageSize === undefined ? '' : byteSize(imageSize),
    layers === undefined ? '' : String(layers.length),
    attestations.length === 0 ? '' : String(attestations.length),
    digest === undefined
      ? digestText(entry, false)
      : [digestCode(digest, link), ' ', copyButton(digest, `the digest of ${label.slice(0, 80)}`)],
    set.join(', '),
    isSparse ? availableText(entry) : '',
    fault === undefined ? '' : markup`<span class="bad">${clipped(fault, 2 * MAX_CELL)}</span>`,
    source === undefined ? '' : code(source),
  ];
}

function annotationList({ annotations = {} }: ListView): Html | undefined {
  const all = Object.entries(annotations);
  if (all.length === 0) return undefined;
  const shown = all.slice(0, MAX_ANNOTATIONS).map(([name, value]): Fact => [name.slice(0, MAX_CELL), linked(value)]);
  const more = all.length - shown.length;
  return markup`${factList(shown, 'wide')}${notDisplayed(more, 'annotation', 'annotations')}`;
}

function notDisplayed(count: number, singular: string, plural: string): HtmlValue {
  const subject = count === 1 ? `1 more ${singular} is` : `${count} more ${plural} are`;
  return count > 0 && markup`<p class="muted more">${subject} not displayed.</p>`;
}

function linked(value: string): HtmlValue {
  const address = webAddress(value);
  if (address === undefined) return clipped(value, MAX_TEXT);
  return markup`<a href="${address}" rel="noreferrer noopener nofollow">${address}</a>`;
}
