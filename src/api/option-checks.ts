import { MlistError } from '../errors/errors.ts';

/**
 * A check of an argument or an option. The types are not sufficient, because programs in JavaScript can pass any value.
 * A check throws `ERR_MLIST_USAGE` with the name of the argument or option.
 */
export type Check = (value: unknown, name: string) => void;

/** Maximum length of a value that a message quotes, in characters. */
const MAX_QUOTED = 200;

/** One check for each option. Options that are undefined are not checked. */
export type Checks<Options> = { readonly [Name in keyof Required<Options>]: Check };

export function checkOptions<Options>(options: Options, checks: Checks<Options>): void {
  isObject(options, 'the options');
  for (const [name, check] of Object.entries<Check>(checks)) orUndefined(check)(options[name as keyof Options], name);
}

export function isText(value: unknown, name: string): asserts value is string {
  if (typeof value !== 'string') throw wrongType(value, name, 'a string');
}

export function isFlag(value: unknown, name: string): void {
  if (typeof value !== 'boolean') throw wrongType(value, name, 'a boolean');
}

export function isFunction(value: unknown, name: string): void {
  if (typeof value !== 'function') throw wrongType(value, name, 'a function');
}

export function isObject(value: unknown, name: string): asserts value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrongType(value, name, 'an object');
}

export function isArray(value: unknown, name: string): asserts value is readonly unknown[] {
  if (!Array.isArray(value)) throw wrongType(value, name, 'an array');
}

/**
 * Checks for the members of an AbortSignal. `instanceof` would refuse signals of other realms, such as those of a test
 * runner.
 */
export function isSignal(value: unknown, name: string): void {
  const { aborted, addEventListener } = (value ?? {}) as Partial<AbortSignal>;
  if (typeof aborted !== 'boolean' || typeof addEventListener !== 'function')
    throw wrongType(value, name, 'an AbortSignal');
}

/** Returns a check for a number of at least `minimum`, which excludes NaN. */
export function isAtLeast(minimum: number): Check {
  return (value, name) => {
    if (typeof value !== 'number') throw wrongType(value, name, 'a number');
    if (!(value >= minimum)) throw new MlistError('ERR_MLIST_USAGE', `${name} must be at least ${minimum}`);
  };
}

export function isOneOf(...allowed: readonly string[]): Check {
  const names = allowed.map((name) => JSON.stringify(name));
  return (value, name) => {
    if (typeof value === 'string' && allowed.includes(value)) return;
    const actual = typeof value === 'string' ? JSON.stringify(value.slice(0, MAX_QUOTED)) : typeName(value);
    throw mustBe(name, `${names.slice(0, -1).join(', ')} or ${names.at(-1) ?? ''}`, actual);
  };
}

export function orNull(check: Check): Check {
  return (value, name) => {
    if (value !== null) check(value, name);
  };
}

export function orUndefined(check: Check): Check {
  return (value, name) => {
    if (value !== undefined) check(value, name);
  };
}

/** Returns a check for an array. @param itemName - the name of an item in messages, such as `a platform` */
export function isArrayOf(check: Check, itemName: string): Check {
  return (value, name) => {
    isArray(value, name);
    for (const item of value) check(item, itemName);
  };
}

/**
 * Returns a check for an object whose members all pass `check`.
 * @param memberKind - precedes the name of a member in messages
 */
export function isRecordOf(check: Check, memberKind: string): Check {
  return (value, name) => {
    isObject(value, name);
    for (const [member, content] of Object.entries(value)) check(content, `${memberKind} ${member}`);
  };
}

/** Returns a check for an object with these members. */
export function isObjectOf(members: Readonly<Record<string, Check>>): Check {
  return (value, name) => {
    isObject(value, name);
    const object = value as Readonly<Record<string, unknown>>;
    for (const [member, check] of Object.entries(members)) check(object[member], `${member} of ${name}`);
  };
}

function wrongType(value: unknown, name: string, expected: string): MlistError {
  return mustBe(name, expected, typeName(value));
}

function mustBe(name: string, expected: string, actual: string): MlistError {
  return new MlistError('ERR_MLIST_USAGE', `${name} must be ${expected}, not ${actual}`);
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : typeof value === 'object' ? 'an object' : typeof value;
}
