/**
 * JSON that loses nothing on its way through JavaScript: numbers keep their spelling where it matters (`1.0`, integers
 * over 2^53), and members their order, also those whose names look like array indexes.
 */
export type Json = null | boolean | number | string | JsonNumber | readonly Json[] | JsonObject;

export interface JsonObject {
  readonly [name: string]: Json;
}

/** A number whose spelling JavaScript would not give back: `1.0`, `1e3`, `-0`, `18446744073709551615`. */
export class JsonNumber {
  readonly lexeme: string;

  constructor(lexeme: string) {
    this.lexeme = lexeme;
  }
}

const arrayIndex = /^(?:0|[1-9]\d{0,9})$/;

/** Where the source order of members differs from JavaScript's, the object carries it under this key. */
const sourceOrder: unique symbol = Symbol('source order of members');

/** The names of an object's members in the order in which they came. */
export function memberNames(object: object): readonly string[] {
  const names = Object.keys(object);
  const order = (object as { readonly [sourceOrder]?: readonly string[] })[sourceOrder];
  if (order === undefined) return names;
  const known = new Set(order);
  return [...order.filter((name) => Object.hasOwn(object, name)), ...names.filter((name) => !known.has(name))];
}

/** An object whose members keep the order given, also where JavaScript would move names like array indexes to the front. */
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

/** The object, made to remember the order of its members if JavaScript has changed it. */
export function inSourceOrder(object: JsonObject, order: readonly string[]): JsonObject {
  return order.some((name) => arrayIndex.test(name)) ? Object.assign(object, { [sourceOrder]: order }) : object;
}

/** Equal as documents: the order of members does not matter, the spelling of numbers does. */
export function sameJson(left: Json | object | undefined, right: Json | object | undefined): boolean {
  if (left === right) return true;
  if (left instanceof JsonNumber || right instanceof JsonNumber) {
    return left instanceof JsonNumber && right instanceof JsonNumber && left.lexeme === right.lexeme;
  }
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false;
  if (Array.isArray(left) !== Array.isArray(right)) return false;
  const [some, others] = [left, right] as unknown as [Record<string, Json>, Record<string, Json>];
  const names = Object.keys(some);
  return (
    names.length === Object.keys(others).length &&
    names.every((name) => Object.hasOwn(others, name) && sameJson(some[name], others[name]))
  );
}

export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof JsonNumber);
}

/** Like an assignment, but `__proto__` is a member as any other. */
export function defineMember(object: Record<string, Json>, name: string, value: Json): void {
  if (name !== '__proto__') object[name] = value;
  else Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
}
