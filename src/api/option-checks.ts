import { MlistError } from '../errors/errors.ts';

/**
 * Checks the value of an argument or option. Throws `ERR_MLIST_USAGE` if the value is invalid. `name` is what the
 * message calls the value. TypeScript's types are not sufficient, because programs in JavaScript can pass any value.
 */
export type Check = (value: unknown, name: string) => void;

/** Maximum length, in characters, of a value that is quoted in a message. */
const MAX_QUOTED = 200;

/** One check for each option. Undefined options are not checked. */
export type Checks<Options> = { readonly [Name in keyof Required<Options>]: Check };

export function checkOptions<Options>(options: Options, checks: Checks<Options>): void {
  isObject(options, 'the options');
  for (const [name, check] of Object.entries<Check>(checks)) orUndefined(check)(options[name as keyof Options], name);
}

/** @param expected - what the value must be, for the message. Default: `a string` */
export function isText(value: unknown, name: string, expected = 'a string'): asserts value is string {
  if (typeof value !== 'string') throw wrongType(value, name, expected);
}

export function isFlag(value: unknown, name: string): void {
  if (typeof value !== 'boolean') throw wrongType(value, name, 'a boolean');
}

export function isFunction(value: unknown, name: string): void {
  if (typeof value !== 'function') throw wrongType(value, name, 'a function');
}

/** @param expected - what the value must be, for the message. Default: `an object` */
export function isObject(value: unknown, name: string, expected = 'an object'): asserts value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrongType(value, name, expected);
}

export function isArray(value: unknown, name: string): asserts value is readonly unknown[] {
  if (!Array.isArray(value)) throw wrongType(value, name, 'an array');
}

/**
 * Checks the members of an AbortSignal. `instanceof` would refuse signals of other realms, such as signals that a test
 * runner has created.
 */
export function isSignal(value: unknown, name: string): void {
  const { aborted, addEventListener } = (value ?? {}) as Partial<AbortSignal>;
  if (typeof aborted !== 'boolean' || typeof addEventListener !== 'function')
    throw wrongType(value, name, 'an AbortSignal');
}

/** Returns a check for a number of at least `minimum`. NaN is refused. */
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

/**
 * Returns a check for an array whose items all pass `check`.
 * @param itemName - the name of an item in messages, such as `a platform`
 */
export function isArrayOf(check: Check, itemName: string): Check {
  return (value, name) => {
    isArray(value, name);
    for (const item of value) check(item, itemName);
  };
}

/**
 * Returns a check for an object whose members all pass `check`.
 * @param memberKind - what messages call a member, such as `the annotation`; they add the name of the member
 */
export function isRecordOf(check: Check, memberKind: string): Check {
  return (value, name) => {
    isObject(value, name);
    for (const [member, content] of Object.entries(value)) check(content, `${memberKind} ${member}`);
  };
}

/** Returns a check for an object that has these members. Other members are not checked. */
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
