/**
 * A lossless JSON value: numbers keep their spelling if JavaScript would change it (`1.0`, integers over 2^53), and
 * members keep their order, even if their names are array indexes.
 */
export type Json = null | boolean | number | string | JsonNumber | readonly Json[] | JsonObject;

export interface JsonObject {
  readonly [name: string]: Json;
}

/** A number that JavaScript would write differently: `1.0`, `1e3`, `-0`, `18446744073709551615`. */
export class JsonNumber {
  readonly lexeme: string;

  constructor(lexeme: string) {
    this.lexeme = lexeme;
  }
}

const arrayIndex = /^(?:0|[1-9]\d{0,9})$/;

/** The key under which an object stores the source order of its members, if JavaScript's order may differ. */
const sourceOrder: unique symbol = Symbol('source order of members');

/** Returns the names of an object's members in source order. Members that were added later come last. */
export function memberNames(object: object): readonly string[] {
  const names = Object.keys(object);
  const order = (object as { readonly [sourceOrder]?: readonly string[] })[sourceOrder];
  if (order === undefined) return names;
  const known = new Set(order);
  return [...order.filter((name) => Object.hasOwn(object, name)), ...names.filter((name) => !known.has(name))];
}

/**
 * Creates an object with this order of members. JavaScript alone would move array indexes to the front. Members that
 * are undefined are omitted.
 */
export function jsonObject(members: Iterable<readonly [string, Json | undefined]>): JsonObject {
  const object: Record<string, Json> = {};
  const order: string[] = [];
  for (const [name, value] of members) {
    if (value === undefined) continue;
    defineMember(object, name, value);
    order.push(name);
  }
  return inSourceOrder(object, order);
}

/**
 * Stores the source order in the object if JavaScript's order may differ.
 * @returns the same object
 */
export function inSourceOrder(object: JsonObject, order: readonly string[]): JsonObject {
  return order.some((name) => arrayIndex.test(name)) ? Object.assign(object, { [sourceOrder]: order }) : object;
}

/** Whether two values are equal. The order of members is ignored; the spelling of numbers is significant. */
export function sameJson(left: Json | object | undefined, right: Json | object | undefined): boolean {
  if (left === right) return true;
  if (left instanceof JsonNumber || right instanceof JsonNumber) {
    return left instanceof JsonNumber && right instanceof JsonNumber && left.lexeme === right.lexeme;
  }
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false;
  if (Array.isArray(left) !== Array.isArray(right)) return false;
  const [leftMembers, rightMembers] = [left, right] as unknown as [Record<string, Json>, Record<string, Json>];
  const names = Object.keys(leftMembers);
  return (
    names.length === Object.keys(rightMembers).length &&
    names.every((name) => Object.hasOwn(rightMembers, name) && sameJson(leftMembers[name], rightMembers[name]))
  );
}

/** Returns a key for maps and sets. Two values have the same key if and only if `sameJson` is true for them. */
export function jsonKey(value: Json | object | undefined): string {
  if (value instanceof JsonNumber) return `#${value.lexeme}`;
  if (value === undefined) return '';
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${(value as readonly Json[]).map(jsonKey).join(',')}]`;
  const members = Object.entries(value as Record<string, Json>).sort(([left], [right]) => (left < right ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${jsonKey(member)}`).join(',')}}`;
}

export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof JsonNumber);
}

/** Assigns a member. Unlike an assignment, it creates an ordinary member for `__proto__`. */
export function defineMember(object: Record<string, Json>, name: string, value: Json): void {
  if (name !== '__proto__') object[name] = value;
  else Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
}
