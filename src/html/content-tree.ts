import type { BlobView, ContentDetails, EntryView, ReferrerView } from '../operations/inspect/entry-view.ts';
import { digestText, entryLabel, layerKind } from '../operations/inspect/list-facts.ts';
import { isIndexType, isManifestType } from '../oci/media-type.ts';
import { byteSize, counted } from '../text/quantity.ts';
import { clipped, markup, type Html, type HtmlValue } from './html.ts';
import { code, digestCode } from './parts.ts';

/** Returns the URL of the page for a digest, or undefined if there is no page. */
export type HrefOf = (digest: string) => string | undefined;

/** The maximum number of nodes, because browsers display large trees slowly. */
const MAX_NODES = 2000;
/** The maximum total length of the displayed annotations, in characters. Further annotations are only counted. */
const MAX_NOTES_LENGTH = 100_000;
const MAX_NOTES = 20;
const MAX_NOTE = 300;
const MAX_LABEL = 120;

/**
 * Renders a list or an image as a tree of nested lists, images, layers, attestations and referrers. Returns undefined
 * if the tree would be empty.
 */
export function contentTree(
  content: ContentDetails & { readonly entries: readonly EntryView[] },
  hrefOf: HrefOf,
): Html | undefined {
  const builder = new TreeBuilder(hrefOf);
  const nodes = [...builder.entries(content.entries), ...builder.contents(content)];
  if (nodes.length === 0) return undefined;
  const note = builder.isFull && markup`<p class="muted more">The rest of the tree is not displayed.</p>`;
  return markup`<ul class="tree">${nodes}</ul>${note}`;
}

/** Whether the registry can display the content as a page. */
export function isPage({ mediaType = '', fault }: Pick<EntryView, 'mediaType' | 'fault'>): boolean {
  return fault === undefined && (isIndexType(mediaType) || isManifestType(mediaType));
}

class TreeBuilder {
  readonly #hrefOf: HrefOf;
  #left = MAX_NODES;
  #notesLeft = MAX_NOTES_LENGTH;

  constructor(hrefOf: HrefOf) {
    this.#hrefOf = hrefOf;
  }

  get isFull(): boolean {
    return this.#left <= 0;
  }

  entries(entries: readonly EntryView[]): readonly HtmlValue[] {
    return this.#nodes(entries, (entry) => this.#entry(entry));
  }

  contents({ config, layers = [], referrers = [] }: ContentDetails): readonly HtmlValue[] {
    return [
      ...(config === undefined ? [] : [this.#blob('config', config)]),
      ...this.#nodes(layers, (layer) => this.#blob('layer', layer)),
      ...this.#nodes(referrers, (referrer) => this.#referrer(referrer)),
    ];
  }

  /** Renders items until the tree has the maximum number of nodes. */
  #nodes<T>(items: readonly T[], node: (item: T) => HtmlValue): readonly HtmlValue[] {
    const nodes: HtmlValue[] = [];
    for (const item of items) {
      if (this.isFull) break;
      nodes.push(node(item));
    }
    return nodes;
  }

  #entry(entry: EntryView): HtmlValue {
    const { imageSize, available, fault, annotations = {}, entries = [], attestations } = entry;
    const kind = isIndexType(entry.mediaType ?? '')
      ? 'list'
      : isManifestType(entry.mediaType ?? '')
        ? 'image'
        : 'entry';
    return this.#node(
      kind,
      [
        markup`<strong>${clipped(entryLabel(entry), MAX_LABEL)}</strong>`,
        this.#digest(entry),
        imageSize === undefined ? undefined : byteSize(imageSize),
        available === false && markup`<span class="bad">not available</span>`,
      ],
      () => ({
        notes: [...faultNote(fault), ...this.#annotations(annotations)],
        children: [
          ...this.entries(entries),
          ...this.contents(entry),
          ...this.#nodes(attestations, (attestation) => this.#attestation(attestation)),
        ],
      }),
    );
  }

  #attestation(entry: EntryView): HtmlValue {
    const { size, fault, layers = [] } = entry;
    return this.#node('attestation', [this.#digest(entry), size === undefined ? undefined : byteSize(size)], () => ({
      notes: faultNote(fault),
      children: this.#nodes(layers, (layer) => this.#blob('statement', layer)),
    }));
  }

  #blob(kind: string, { digest, size, mediaType, predicateType }: BlobView): HtmlValue {
    const type = markup`<span class="muted">${clipped(predicateType ?? layerKind(mediaType), MAX_NOTE)}</span>`;
    return this.#node(kind, [digestCode(digest, undefined), byteSize(size), type]);
  }

  #referrer(referrer: ReferrerView): HtmlValue {
    const { artifactType, mediaType, size, annotations = {} } = referrer;
    const type = code(artifactType ?? mediaType);
    return this.#node('referrer', [type, this.#digest(referrer), byteSize(size)], () => ({
      notes: this.#annotations(annotations),
      children: [],
    }));
  }

  #annotations(annotations: Readonly<Record<string, string>>): readonly HtmlValue[] {
    const all = Object.entries(annotations);
    const notes: HtmlValue[] = [];
    for (const [name, value] of all.slice(0, MAX_NOTES)) {
      if (this.#notesLeft <= 0) break;
      this.#notesLeft -= Math.min(name.length, MAX_NOTE) + Math.min(value.length, MAX_NOTE);
      notes.push(markup`<p class="note muted">${clipped(name, MAX_NOTE)} = ${clipped(value, MAX_NOTE)}</p>`);
    }
    const more = all.length - notes.length;
    return more === 0 ? notes : [...notes, markup`<p class="note muted">and ${counted(more, 'more annotation')}</p>`];
  }

  #digest(entry: Pick<EntryView, 'image' | 'digest' | 'mediaType' | 'fault'>): HtmlValue {
    const { image, digest } = entry;
    if (image !== undefined || digest === undefined) return digestText(entry, false);
    return digestCode(digest, isPage(entry) ? this.#hrefOf(digest) : undefined);
  }

  #node(
    kind: string,
    parts: readonly HtmlValue[],
    below: () => { readonly notes: readonly HtmlValue[]; readonly children: readonly HtmlValue[] } = nothing,
  ): HtmlValue {
    if (this.isFull) return undefined;
    this.#left -= 1;
    const shown = parts.filter((part) => part !== undefined && part !== false);
    const { notes, children } = below();
    return markup`<li><div class="line"><span class="kind">${kind}</span>${shown.map((part) => markup`<span>${part}</span>`)}</div>${notes}${children.length > 0 && markup`<ul>${children}</ul>`}</li>\n`;
  }
}

function nothing() {
  return { notes: [], children: [] };
}

function faultNote(fault: string | undefined): readonly HtmlValue[] {
  return fault === undefined ? [] : [markup`<p class="note bad">${clipped(fault, MAX_NOTE)}</p>`];
}
