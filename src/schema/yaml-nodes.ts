import type * as Yaml from 'yaml';
import { defineMember, isJsonObject, type Json } from '../json/json.ts';
import { pointerTo } from '../json/pointer.ts';
import { error } from './problems.ts';
import type { Place, PlacedProblem, YamlReading } from './yaml-document.ts';

/** More values than this come from aliases of aliases, not from an author. */
const MAX_VALUES = 1_000_000;

/** YAML itself allows no longer names where they are not marked as such (YAML 1.2.2, 7.4.2). */
const MAX_NAME = 1024;

/** Deeper than any spec, aliases included. */
const MAX_DEPTH = 50;

type Node = Yaml.Node | null | undefined;

/** Reads what the package has made of a text. */
export class YamlNodes implements YamlReading {
  readonly value: Json | undefined;
  readonly problems: readonly PlacedProblem[];
  readonly values: number;
  readonly #yaml: typeof Yaml;
  readonly #document: Yaml.Document.Parsed;
  readonly #placeOf: (offset: number) => Place;
  readonly #anchors = new Map<string, Yaml.Node>();
  readonly #targets = new Map<Yaml.Alias, Yaml.Node>();
  readonly #found: PlacedProblem[] = [];
  #values = 0;

  constructor(yaml: typeof Yaml, document: Yaml.Document.Parsed, placeOf: (offset: number) => Place) {
    this.#yaml = yaml;
    this.#document = document;
    this.#placeOf = placeOf;
    const value = this.#read(document.contents, []);
    this.problems = this.#found;
    this.value = this.#found.length === 0 ? value : undefined;
    this.values = this.#values;
  }

  placeOf(pointer: string, part: 'name' | 'value' = 'value'): Place {
    let [node, name]: [Node, Node] = [this.#document.contents, undefined];
    for (const step of pointer.split('/').slice(1)) {
      const at = this.#step(this.#target(node), step.replaceAll('~1', '/').replaceAll('~0', '~'));
      if (at === undefined) break;
      [node, name] = at;
    }
    const hasText = !this.#yaml.isScalar(node) || node.source !== '';
    return this.#place(name != null && (part === 'name' || !hasText) ? name : node);
  }

  sourceOf(pointer: string): string | undefined {
    let node: Node = this.#document.contents;
    for (const step of pointer.split('/').slice(1)) {
      node = this.#step(this.#target(node), step.replaceAll('~1', '/').replaceAll('~0', '~'))?.[0];
    }
    const target = this.#target(node);
    return this.#yaml.isScalar(target) && typeof target.value !== 'string' ? target.source : undefined;
  }

  #place(node: Node): Place {
    return this.#placeOf(node?.range?.[0] ?? 0);
  }

  #target(node: Node): Node {
    return this.#yaml.isAlias(node) ? this.#targets.get(node) : node;
  }

  /** What a step leads to, and its name. */
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
      const found = this.#step(this.#target(source), step);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #read(node: Node, path: readonly (string | number)[]): Json {
    this.#values += 1;
    if (this.#values > MAX_VALUES) return this.#refuseOnce(node, path, 'its aliases stand for too many values');
    if (path.length > MAX_DEPTH) return this.#refuseOnce(node, path, 'is nested too deeply');
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
      if (name === '<<') merged.push(value);
      else if (name.length > MAX_NAME) this.#refuse(key, path, `a name of ${name.length} characters is too long`);
      else if (Object.hasOwn(object, name)) this.#refuse(key, [...path, name], 'stands here a second time');
      else defineMember(object, name, this.#read(value, [...path, name]));
    }
    for (const value of merged) this.#merge(object, value, path);
    return object;
  }

  /** What a merge key brings along, as far as the map does not say otherwise (YAML 1.1, "Merge Key"). */
  #merge(object: Record<string, Json>, node: Node, path: readonly (string | number)[]): void {
    const value = this.#read(node, [...path, '<<']);
    const sources = Array.isArray(value) ? (value as readonly Json[]) : [value];
    for (const source of sources) {
      if (!isJsonObject(source)) this.#refuse(node, path, '"<<" takes a map, or a list of maps');
      else
        for (const [name, one] of Object.entries(source))
          if (!Object.hasOwn(object, name)) defineMember(object, name, one);
    }
  }

  #readAlias(node: Yaml.Alias, path: readonly (string | number)[]): Json {
    const target = this.#anchors.get(node.source);
    if (target === undefined) return this.#refuse(node, path, `there is no anchor &${node.source} before this alias`);
    this.#targets.set(node, target);
    return this.#read(target, path);
  }

  #readScalar(node: Yaml.Scalar, path: readonly (string | number)[]): Json {
    const { value } = node;
    if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    return this.#refuse(node, path, 'is neither text nor a number that JSON has');
  }

  get #isTooMuch(): boolean {
    return this.#values > MAX_VALUES || this.#found.length >= 100;
  }

  #refuse(node: Node, path: readonly (string | number)[], message: string): null {
    this.#found.push({ ...error('E-SPEC', pointerTo(...path), message), ...this.#place(node) });
    return null;
  }

  /** What is found at every further value is told at the first. */
  #refuseOnce(node: Node, path: readonly (string | number)[], message: string): null {
    return this.#found.some((problem) => problem.message === message) ? null : this.#refuse(node, path, message);
  }
}

function nameOf(key: Yaml.Node): string {
  return String((key as Yaml.Scalar).value);
}
