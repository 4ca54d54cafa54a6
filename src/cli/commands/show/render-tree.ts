import type { BlobView, ContentDetails, EntryView, ReferrerView } from '../../../operations/inspect/entry-view.ts';
import type { ListView } from '../../../operations/inspect/show.ts';
import { byteSize } from '../../../text/quantity.ts';
import { displayWidth, wrapToWidth } from '../../../text/display-width.ts';
import { escapeLine } from '../../../text/escape.ts';
import { textOf, type Output, type Span } from '../../output/output.ts';
import { digestText, entryLabel, layerKind, listFacts } from '../../../operations/inspect/list-facts.ts';

/** A node of the tree: a line, with notes and children below it. */
interface TreeNode {
  /** The parts of the line, two spaces apart. The first one is padded, so that the second parts of siblings align. */
  readonly parts: readonly Span[];
  readonly notes?: readonly Span[];
  readonly children?: readonly TreeNode[];
}

/**
 * Prints a list as a tree: nested lists, images with their layers, attestations with their predicate types, referrers.
 * @param width - the columns of the terminal. Infinite if stdout is not a terminal
 */
export function renderTree(view: ListView, isFull: boolean, output: Output, width: number): void {
  const facts = listFacts(view).map(([label, text]) => `${label.padEnd(6)} ${text}`);
  const root: TreeNode = {
    parts: [
      [view.reference, 'bold'],
      [view.from, 'dim'],
    ],
    notes: [...facts, ...annotationNotes(view)],
    children: [...view.entries.map((entry) => entryNode(entry, isFull)), ...contentNodes(view, isFull)],
  };
  new TreePrinter(output, width).print(root);
}

function entryNode(entry: EntryView, isFull: boolean): TreeNode {
  const { imageSize, available, source, set = [], attestations, fault, entries = [] } = entry;
  return {
    parts: [
      [entryLabel(entry), 'green'],
      digestText(entry, isFull),
      ...(imageSize === undefined ? [] : [sizeText(imageSize)]),
      ...(available === false ? [['not available', 'red'] as const] : []),
      ...(source === undefined ? [] : [[`from ${source}`, 'dim'] as const]),
    ],
    notes: [
      ...(fault === undefined ? [] : [[fault, 'red'] as const]),
      ...(set.length === 0 ? [] : [[`set: ${set.join(', ')}`, 'yellow'] as const]),
      ...annotationNotes(entry),
    ],
    children: [
      ...entries.map((inner) => entryNode(inner, isFull)),
      ...contentNodes(entry, isFull),
      ...attestations.map((attestation) => attestationNode(attestation, isFull)),
    ],
  };
}

function annotationNotes({ annotations = {} }: Pick<EntryView, 'annotations'>): readonly Span[] {
  return Object.entries(annotations).map(([name, value]): Span => [`${name} = ${value}`, 'cyan']);
}

function contentNodes({ layers = [], referrers = [] }: ContentDetails, isFull: boolean): readonly TreeNode[] {
  return [
    ...layers.map((layer) => blobNode('layer', layer, isFull)),
    ...referrers.map((referrer) => referrerNode(referrer, isFull)),
  ];
}

function blobNode(label: string, blob: BlobView, isFull: boolean): TreeNode {
  return {
    parts: [[label, 'dim'], digestText(blob, isFull), sizeText(blob.size), [layerKind(blob.mediaType), 'dim']],
  };
}

/** Formats a size, padded so that the sizes of siblings are aligned. */
function sizeText(bytes: number): string {
  return byteSize(bytes).padStart(10);
}

function attestationNode(entry: EntryView, isFull: boolean): TreeNode {
  const { size, available, fault, layers = [] } = entry;
  return {
    parts: [
      ['attestation', 'dim'],
      digestText(entry, isFull),
      ...(size === undefined ? [] : [sizeText(size) + (available === false ? ', not available' : '')]),
    ],
    notes: fault === undefined ? [] : [[fault, 'red']],
    children: layers.map(({ predicateType, ...layer }) => ({
      parts: [[predicateType ?? layerKind(layer.mediaType), 'cyan'], digestText(layer, isFull), sizeText(layer.size)],
    })),
  };
}

function referrerNode({ artifactType, mediaType, ...referrer }: ReferrerView, isFull: boolean): TreeNode {
  return { parts: [['referrer', 'dim'], digestText(referrer, isFull), [artifactType ?? mediaType, 'cyan']] };
}

/** The maximum width to which labels are padded. Longer labels are not padded, and do not widen the others. */
const MAX_PADDED = 32;

class TreePrinter {
  readonly #output: Output;
  readonly #width: number;

  constructor(output: Output, width: number) {
    this.#output = output;
    this.#width = width;
  }

  print(root: TreeNode): void {
    this.#line(root.parts, { first: '', further: '' });
    this.#below(root, '');
  }

  #below({ notes = [], children = [] }: TreeNode, prefix: string): void {
    const bar = children.length > 0 ? '│ ' : '  ';
    for (const note of notes) this.#line([note], { first: prefix + bar, further: `${prefix}${bar}  ` });
    const labels = children.map(({ parts: [label = ''] }) => displayWidth(escapeLine(textOf(label))));
    const widest = Math.max(0, ...labels.filter((width) => width <= MAX_PADDED));
    for (const [at, child] of children.entries()) {
      const isLast = at === children.length - 1;
      const below = `${prefix}${isLast ? '   ' : '│  '}`;
      const bars = {
        first: `${prefix}${isLast ? '└─ ' : '├─ '}`,
        further: `${below}${hasContent(child) ? '│ ' : '  '}  `,
      };
      this.#line(padded(child.parts, widest - (labels[at] ?? 0)), bars);
      this.#below(child, below);
    }
  }

  /** Prints as many parts as fit on one line, and the others on the lines below it. */
  #line(parts: readonly Span[], { first, further }: Record<'first' | 'further', string>): void {
    let line: Span[] = [[first, 'dim']];
    let used = displayWidth(first);
    let isEmpty = true;
    const end = () => {
      this.#output.line(...line);
      [line, used, isEmpty] = [[[further, 'dim']], displayWidth(further), true];
    };
    for (const part of parts) {
      const text = escapeLine(textOf(part));
      const gap = isEmpty ? '' : '  ';
      const fits = used + gap.length + displayWidth(text.trimEnd()) <= this.#width;
      if (!fits && !isEmpty) end();
      for (const [at, piece] of (fits
        ? [gap + text]
        : wrapToWidth(text, this.#width - Math.max(used, displayWidth(further)))
      ).entries()) {
        if (at > 0) end();
        line.push(typeof part === 'string' ? piece : [piece, part[1]]);
        used += displayWidth(piece);
        isEmpty = false;
      }
    }
    end();
  }
}

function hasContent({ children = [] }: TreeNode): boolean {
  return children.length > 0;
}

function padded([label = '', ...others]: readonly Span[], spaces: number): readonly Span[] {
  if (others.length === 0 || spaces <= 0) return [label, ...others];
  const text = textOf(label) + ' '.repeat(spaces);
  return [typeof label === 'string' ? text : [text, label[1]], ...others];
}
