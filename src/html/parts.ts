import { isDigestName, shortDigest } from '../oci/digest.ts';
import { clipped, markup, type Html, type HtmlValue } from './html.ts';

/** This file renders the parts that pages consist of. */

export interface Column {
  readonly header: string;
  readonly kind?: 'number' | 'digest' | undefined;
}

export interface Row {
  /** One cell for each column. The first one is the header of the row. */
  readonly cells: readonly HtmlValue[];
  /** The text that the filter of the table searches. */
  readonly search?: string | undefined;
}

export interface TableOptions {
  /** The name of the table for screen readers. */
  readonly label: string;
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
  /** The id of the table body. It is required if the table has a filter. */
  readonly id?: string | undefined;
}

/**
 * Renders a table. Columns without content are omitted. On narrow screens, the style displays each row as a block with
 * one line per cell. Browsers would then ignore the implicit roles of the elements, so the roles are explicit.
 */
export function table({ label, columns, rows, id }: TableOptions): Html {
  const shown = columns.flatMap((column, at) =>
    rows.some(({ cells }) => hasContent(cells[at])) ? [{ column, at }] : [],
  );
  const header = shown.map(
    ({ column }) => markup`<th role="columnheader" scope="col" class="${column.kind}">${column.header}</th>`,
  );
  const body = rows.map(({ cells, search }) => {
    const inner = shown.map(({ column, at }) => cellOf(cells[at], column, at));
    const filter = search === undefined ? undefined : markup` data-row="${search.slice(0, MAX_SEARCHED)}"`;
    return markup`<tr role="row"${filter}>${inner}</tr>\n`;
  });
  return markup`<table role="table" aria-label="${label}">
<thead role="rowgroup"><tr role="row">${header}</tr></thead>
<tbody role="rowgroup"${id !== undefined && markup` id="${id}"`}>
${body}</tbody>
</table>`;
}

/** The maximum number of characters of a row that the filter searches. */
const MAX_SEARCHED = 500;

function hasContent(value: HtmlValue): boolean {
  return value !== undefined && value !== false && value !== '' && !(Array.isArray(value) && value.length === 0);
}

function cellOf(cell: HtmlValue, { header, kind }: Column, at: number): Html {
  if (at === 0) return markup`<th role="rowheader" scope="row">${cell}</th>`;
  if (!hasContent(cell)) return markup`<td role="cell" class="${kind}"></td>`;
  return markup`<td role="cell" data-label="${header}" class="${kind}"><span>${cell}</span></td>`;
}

/** Renders an input that filters the rows of a table while the user types. It stays hidden without JavaScript. */
export function filterBox(tableId: string, what: string): Html {
  return markup`<div class="filter" data-filter="${tableId}" hidden>
<label for="${tableId}-filter">Filter</label>
<input type="search" id="${tableId}-filter" placeholder="${what}" autocomplete="off" spellcheck="false">
<output class="muted" for="${tableId}-filter"></output>
</div>`;
}

/**
 * Renders a button that copies `text` to the clipboard. It stays hidden without JavaScript.
 * @param what - the end of its label: `Copy WHAT`
 */
export function copyButton(text: string, what: string): Html {
  return markup`<button type="button" data-copy="${text}" aria-label="Copy ${what}" hidden>Copy</button>`;
}

export function code(text: string): Html {
  return markup`<code>${clipped(text, MAX_CODE)}</code>`;
}

const MAX_CODE = 512;

/** Renders a shortened digest, with a link if there is a page for it. */
export function digestCode(digest: string, href: string | undefined): Html {
  const short = isDigestName(digest) ? shortDigest(digest) : digest;
  const text = markup`<code class="digest" title="${digest}">${clipped(short, MAX_CODE)}</code>`;
  return href === undefined ? text : markup`<a href="${href}">${text}</a>`;
}

export type Fact = readonly [label: string, value: HtmlValue];

export function factList(facts: readonly Fact[], kind?: 'wide'): Html {
  return markup`<dl class="${kind}">${facts.map(([label, value]) => markup`<dt>${label}</dt><dd>${value}</dd>\n`)}</dl>`;
}

export interface Section {
  readonly id: string;
  readonly title: string;
  readonly body: Html;
}

export function sectionOf({ id, title, body }: Section): Html {
  return markup`<section aria-labelledby="${id}">
<h2 id="${id}" tabindex="-1">${title}</h2>
${body}
</section>
`;
}

/** Renders links to the sections of a page. Returns undefined if there are fewer than two sections. */
export function jumpLinks(sections: readonly Section[]): HtmlValue {
  if (sections.length < 2) return undefined;
  const links = sections.map(({ id, title }) => markup`<li><a href="#${id}">${title}</a></li>`);
  return markup`<nav aria-label="Sections"><ul class="jump">${links}</ul></nav>`;
}

export interface Command {
  readonly purpose: string;
  readonly line: string;
}

export function commandList(commands: readonly Command[]): Html {
  const items = commands.map(
    ({ purpose, line }) => markup`<li><p>${purpose}</p>
<div class="command"><code>${line}</code>${copyButton(line, `the command: ${purpose}`)}</div></li>\n`,
  );
  return markup`<ul class="commands">${items}</ul>`;
}

/** Renders a message about content that cannot be displayed. */
export function alert(message: string): Html {
  return markup`<p class="alert" role="alert">${clipped(message, MAX_CODE)}</p>`;
}
