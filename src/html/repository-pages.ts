import { shellWord } from './command-lines.ts';
import type { PageContent } from './document.ts';
import { clipped, markup, type Html, type HtmlValue } from './html.ts';
import { commandList, digestCode, filterBox, table } from './parts.ts';

/** This file renders the pages of a registry that list repositories and tags. */

/** One page of a list. `next` is the URL of the following page; undefined on the last page. */
export interface Paged<T> {
  readonly items: readonly T[];
  readonly next?: string | undefined;
}

export interface RepositorySummary {
  readonly name: string;
  readonly href: string;
  readonly tags: number;
  /** The reason why the repository cannot be read. Undefined if it can be read. */
  readonly fault?: string | undefined;
}

export interface TagSummary {
  readonly tag: string;
  readonly href: string;
  readonly digest?: string;
  /** The kind of content, such as `OCI image index`. */
  readonly kind?: string;
  readonly platforms?: readonly string[];
  readonly fault?: string;
}

/** The maximum number of platforms that are displayed for a tag. The remaining ones are only counted. */
const MAX_CHIPS = 8;
const MAX_TEXT = 200;

/**
 * Returns the page that lists repositories.
 * @param host - the host of the registry, as used in references
 */
export function repositoriesPage({ items, next }: Paged<RepositorySummary>, host: string): PageContent {
  const rows = items.map(({ name, href, tags, fault }) => ({
    cells: [markup`<a href="${href}">${name}</a>`, fault === undefined ? String(tags) : '', problem(fault)],
    search: name,
  }));
  const columns = [{ header: 'Repository' }, { header: 'Tags', kind: 'number' }, { header: 'Problem' }] as const;
  const list = markup`${filterBox('repositories', 'Part of a name')}
${table({ id: 'repositories', label: 'Repositories', columns, rows })}${nextLink(next)}`;
  const body = markup`<h1>Repositories</h1>
<p class="lead">Registry ${host}</p>
${items.length === 0 ? noRepositories(host) : list}`;
  return { title: `${host} · mlist`, trail: [{ text: host }], body };
}

function noRepositories(host: string): Html {
  const target = shellWord(`${host}/app:1.0`);
  return markup`<p>There are no repositories to display. Push an image:</p>
${commandList([
  { purpose: 'Push with docker', line: `docker push ${target}` },
  { purpose: 'Copy from another registry', line: `mlist copy ubuntu:24.04 ${target}` },
])}`;
}

/** Returns the page that lists the tags of a repository. */
export function tagsPage({ items, next }: Paged<TagSummary>, name: string, host: string): PageContent {
  const rows = items.map(({ tag, href, digest, kind, platforms = [], fault }) => ({
    cells: [
      markup`<a href="${href}">${tag}</a>`,
      kind,
      platforms.length === 0 ? '' : chips(platforms),
      digest === undefined ? '' : digestCode(digest, undefined),
      problem(fault),
    ],
    search: [tag, digest, ...platforms].join(' '),
  }));
  const columns = [
    { header: 'Tag' },
    { header: 'Content' },
    { header: 'Platforms' },
    { header: 'Digest', kind: 'digest' },
    { header: 'Problem' },
  ] as const;
  const list = markup`${filterBox('tags', 'Part of a tag or platform')}
${table({ id: 'tags', label: 'Tags', columns, rows })}${nextLink(next)}`;
  const body = markup`<h1>${name}</h1>
<p class="lead">Tags of the repository</p>
${items.length === 0 ? markup`<p>There are no tags to display.</p>` : list}`;
  return { title: `${name} · mlist`, trail: [{ text: host, href: '/' }, { text: name }], body };
}

function chips(platforms: readonly string[]): HtmlValue {
  const more = platforms.length - MAX_CHIPS;
  return [
    ...platforms.slice(0, MAX_CHIPS).map((name) => markup`<span class="chip">${clipped(name, MAX_TEXT)}</span>`),
    more > 0 && markup`<span class="muted">and ${more} more</span>`,
  ];
}

function problem(fault: string | undefined): HtmlValue {
  return fault === undefined ? '' : markup`<span class="bad">${clipped(fault, MAX_TEXT)}</span>`;
}

function nextLink(next: string | undefined): HtmlValue {
  return next !== undefined && markup`<p class="more"><a href="${next}" rel="next">Next page</a></p>`;
}
