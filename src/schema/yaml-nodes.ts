import type * as Yaml from 'yaml';
import { MAX_PROBLEMS } from '../errors/errors.ts';
import { defineMember, isJsonObject, type Json } from '../json/json.ts';
import { pointerTo, stepsOf } from '../json/pointer.ts';
import { MAX_FILLED, placeholder, type PlaceholderFault, type PlaceholderValues } from './placeholder-values.ts';
import { error } from './problems.ts';
import type { Place, PlacedProblem, YamlReading } from './yaml-document.ts';

/** Maximum number of values after aliases are expanded. More values indicate nested aliases ("billion laughs"). */
const MAX_VALUES = 1_000_000;

/** Maximum length of a key in characters: the limit of YAML for implicit keys (YAML 1.2.2, 7.4.2). */
const MAX_NAME = 1024;

/** Maximum depth of nesting. It is checked before a document is parsed, and again with its aliases expanded. */
export const MAX_DEPTH = 50;
export const TOO_DEEP = `is nested more than ${MAX_DEPTH} levels deep`;

type Node = Yaml.Node | null | undefined;

export interface YamlText {
  readonly text: string;
  /** The values for placeholders. Default: placeholders are not replaced. */
  readonly values?: PlaceholderValues | undefined;
}

/** Converts a parsed YAML document to a JSON value with source positions. */
export class YamlNodes implements YamlReading {
  readonly value: Json | undefined;
  readonly problems: readonly PlacedProblem[];
  readonly values: number;
  readonly #yaml: typeof Yaml;
  readonly #document: Yaml.Document.Parsed;
  readonly #placeOf: (offset: number) => Place;
  readonly #anchors = new Map<string, Yaml.Node>();
  readonly #targets = new Map<Yaml.Alias, Yaml.Node>();
  readonly #problems: PlacedProblem[] = [];
  readonly #source: YamlText;
  /** Maps each node that contains a `$` to the names of the values that were inserted into it. */
  readonly #filled = new Map<Node, readonly string[]>();
  #filledLength = 0;
  #values = 0;

  constructor(yaml: typeof Yaml, document: Yaml.Document.Parsed, source: YamlText, placeOf: (offset: number) => Place) {
    this.#yaml = yaml;
    this.#document = document;
    this.#source = source;
    this.#placeOf = placeOf;
    const value = this.#read(document.contents, []);
    this.problems = this.#problems;
    this.value = this.#problems.length === 0 ? value : undefined;
    this.values = this.#values;
  }

  placeOf(pointer: string, part: 'name' | 'value' = 'value'): Place {
    let [node, name]: [Node, Node] = [this.#document.contents, undefined];
    for (const step of stepsOf(pointer)) {
      const child = this.#step(this.#target(node), step);
      if (child === undefined) break;
      [node, name] = child;
    }
    const hasText = !this.#yaml.isScalar(node) || node.source !== '';
    return this.#place(name != null && (part === 'name' || !hasText) ? name : node);
  }

  sourceOf(pointer: string): string | undefined {
    const target = this.#nodeAt(pointer);
    return this.#yaml.isScalar(target) && typeof target.value !== 'string' ? target.source : undefined;
  }

  valuesAt(pointer: string): readonly string[] {
    return this.#filled.get(this.#nodeAt(pointer)) ?? [];
  }

  #nodeAt(pointer: string): Node {
    let node: Node = this.#document.contents;
    for (const step of stepsOf(pointer)) node = this.#step(this.#target(node), step)?.[0];
    return this.#target(node);
  }

  #place(node: Node): Place {
    return this.#placeOf(node?.range?.[0] ?? 0);
  }

  #target(node: Node): Node {
    return this.#yaml.isAlias(node) ? this.#targets.get(node) : node;
  }

  /** Returns the child of a node and, if the node is a map, the node of the child's key. */
  #step(node: Node, step: string): readonly [Node, Node] | undefined {
    if (this.#yaml.isSeq(node)) return [node.items[Number(step)] as Node, undefined];
    if (!this.#yaml.isMap(node)) return undefined;
    const pairs = node.items as readonly Yaml.Pair<Yaml.Node, Node>[];
    const own = pairs.find(({ key }) => nameOf(key) === step && step !== '<<');
    if (own !== undefined) return [own.value, own.key];
    const merged = pairs.find(({ key }) => nameOf(key) === '<<')?.value;
    const target = this.#target(merged);
    const sources: readonly Node[] = this.#yaml.isSeq(target) ? (target.items as readonly Node[]) : [target];
    for (const source of sources) {
      const child = this.#step(this.#target(source), step);
      if (child !== undefined) return child;
    }
    return undefined;
  }

  #read(node: Node, path: readonly (string | number)[]): Json {
    this.#values += 1;
    if (this.#values > MAX_VALUES)
      return this.#reportOnce(node, path, `has more than ${MAX_VALUES} values after its aliases are expanded`);
    if (path.length > MAX_DEPTH) return this.#reportOnce(node, path, TOO_DEEP);
    if (this.#yaml.isAlias(node)) return this.#readAlias(node, path);
    if (node != null && 'anchor' in node) this.#anchors.set(node.anchor, node);
    if (this.#yaml.isSeq(node)) return this.#readSeq(node, path);
    if (this.#yaml.isMap(node)) return this.#readMap(node, path);
    return this.#yaml.isScalar(node) ? this.#readScalar(node, path) : null;
  }

  #readSeq(node: Yaml.YAMLSeq, path: readonly (string | number)[]): Json {
    const items: Json[] = [];
    for (const [at, item] of node.items.entries()) {
      if (this.#isTooMuch) break;
      items.push(this.#read(item as Node, [...path, at]));
    }
    return items;
  }

  #readMap(node: Yaml.YAMLMap, path: readonly (string | number)[]): Json {
    const object: Record<string, Json> = {};
    const merged: Node[] = [];
    for (const { key, value } of node.items as readonly Yaml.Pair<Yaml.Node, Node>[]) {
      if (this.#isTooMuch) break;
      const name = nameOf(key);
      if (this.#source.values !== undefined && name.includes('${')) this.#report(key, path, placeholderInName);
      else if (name === '<<') merged.push(value);
      else if (name.length > MAX_NAME)
        this.#report(key, path, `has a key of ${name.length} characters, more than the limit of ${MAX_NAME}`);
      else if (Object.hasOwn(object, name)) this.#report(key, [...path, name], 'duplicate key');
      else defineMember(object, name, this.#read(value, [...path, name]));
    }
    for (const value of merged) this.#merge(object, value, path);
    return object;
  }

  /** Adds the members from a merge key (`<<`), except those that the map already has (YAML 1.1, "Merge Key"). */
  #merge(object: Record<string, Json>, node: Node, path: readonly (string | number)[]): void {
    const value = this.#read(node, [...path, '<<']);
    const sources = Array.isArray(value) ? (value as readonly Json[]) : [value];
    for (const source of sources) {
      if (!isJsonObject(source)) this.#report(node, path, '"<<" must be a map or a list of maps');
      else
        for (const [name, member] of Object.entries(source))
          if (!Object.hasOwn(object, name)) defineMember(object, name, member);
    }
  }

  #readAlias(node: Yaml.Alias, path: readonly (string | number)[]): Json {
    const target = this.#anchors.get(node.source);
    if (target === undefined) return this.#report(node, path, `there is no anchor &${node.source} before this alias`);
    this.#targets.set(node, target);
    return this.#read(target, path);
  }

  #readScalar(node: Yaml.Scalar, path: readonly (string | number)[]): Json {
    const { value } = node;
    if (typeof value === 'string') return this.#fill(value, node, path);
    if (value === null || typeof value === 'boolean') return value;
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    return this.#report(node, path, 'cannot be represented in JSON');
  }

  /**
   * Replaces the placeholders in a string. The string is filled again for each alias, but its problems are reported
   * only once.
   */
  #fill(text: string, node: Yaml.Scalar, path: readonly (string | number)[]): Json {
    const { values } = this.#source;
    if (values === undefined || !text.includes('$')) return text;
    const filled = values.fill(text);
    const isReported = this.#filled.has(node);
    this.#filled.set(node, filled.names);
    this.#filledLength += filled.length;
    if (this.#filledLength > MAX_FILLED) return this.#reportOnce(node, path, tooLarge);
    for (const fault of isReported ? [] : filled.faults) {
      const place = this.#placeOf(this.#offsetOf(fault, text, node));
      this.#problems.push({ ...error('E-SPEC', pointerTo(...path), fault.message), ...place });
    }
    return filled.text;
  }

  /**
   * Returns the position of a placeholder in the source. If escape sequences in the string add or hide placeholders,
   * returns the position of the string.
   */
  #offsetOf({ at }: PlaceholderFault, text: string, { range }: Yaml.Scalar): number {
    const [start, end] = range ?? [0, 0];
    const written = [...this.#source.text.slice(start, end).matchAll(placeholder)];
    const isAsWritten = written.length === [...text.matchAll(placeholder)].length;
    return start + (isAsWritten ? (written[at]?.index ?? 0) : 0);
  }

  get #isTooMuch(): boolean {
    return this.#values > MAX_VALUES || this.#problems.length >= MAX_PROBLEMS;
  }

  #report(node: Node, path: readonly (string | number)[], message: string): null {
    this.#problems.push({ ...error('E-SPEC', pointerTo(...path), message), ...this.#place(node) });
    return null;
  }

  /** Reports a problem only for the first value that has it, because many later values may have it too. */
  #reportOnce(node: Node, path: readonly (string | number)[], message: string): null {
    return this.#problems.some((problem) => problem.message === message) ? null : this.#report(node, path, message);
  }
}

const placeholderInName = 'placeholders are replaced only in strings, not in member names';
const tooLarge = `the document exceeds the limit of ${MAX_FILLED} characters after its placeholders are replaced`;

function nameOf(key: Yaml.Node): string {
  return String((key as Yaml.Scalar).value);
}
