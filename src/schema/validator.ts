import type { ErrorObject } from 'ajv';
import { MAX_PROBLEMS, type Problem } from '../errors/errors.ts';
import { JsonNumber, type Json } from '../json/json.ts';
import { pointerTo, stepsOf } from '../json/pointer.ts';

/** A compiled schema: `first` stops at the first error, `all` reports all errors. */
export interface Validator {
  readonly first: ValidateFunction;
  readonly all: ValidateFunction;
}

export interface ValidateFunction {
  (value: unknown): boolean;
  errors?: readonly ErrorObject[] | null;
}

/**
 * Maximum number of values in a document for which all errors are reported. For a larger document, only the first error
 * is reported.
 */
const MAX_SMALL_VALUES = 20_000;

/**
 * Checks a value against a schema.
 * @param size - number of values in the document; see `isSmall`
 */
export function checkSchema(validator: Validator, value: Json, size: number): readonly Problem[] {
  if (isValid(validator.first, value)) return [];
  return listProblems(isSmall(size) ? validator.all : validator.first, value);
}

/**
 * Validates a value. A JsonNumber, which validators would accept as an object, is replaced with NaN, which they reject.
 */
export function isValid(validate: ValidateFunction, value: Json): boolean {
  return validate(hasJsonNumber(value) ? withoutJsonNumbers(value) : value);
}

function hasJsonNumber(value: Json): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return value instanceof JsonNumber || Object.values(value).some(hasJsonNumber);
}

function withoutJsonNumbers(value: Json): unknown {
  if (value instanceof JsonNumber) return Number.NaN;
  if (Array.isArray(value)) return (value as readonly Json[]).map(withoutJsonNumbers);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, withoutJsonNumbers(member)]));
}

/** Whether a document is small enough to report all its errors. */
export function isSmall(size: number): boolean {
  return size <= MAX_SMALL_VALUES;
}

export function listProblems(validate: ValidateFunction, value: Json): readonly Problem[] {
  isValid(validate, value);
  const errors = (validate.errors ?? []).filter((error) => error.keyword !== 'if');
  return errors.slice(0, MAX_PROBLEMS).map((error) => problemOf(error, value));
}

function problemOf(error: ErrorObject, document: Json): Problem {
  const pointer = pointerOf(error);
  return {
    rule: ruleOf(pointer),
    severity: 'error',
    pointer,
    message: messageOf(error, valueAt(document, error.instancePath)),
  };
}

function pointerOf(error: ErrorObject): string {
  if (error.keyword !== 'additionalProperties') return error.instancePath;
  return error.instancePath + pointerTo(String(error.params['additionalProperty']));
}

/** Returns the ID of the rule that an invalid member violates. Some members have their own rule (docs/rules.md). */
function ruleOf(pointer: string): string {
  if (pointer === '/mediaType') return 'E-TYPE';
  const last = pointer.slice(pointer.lastIndexOf('/') + 1);
  return last === 'digest' ? 'E-DIGEST' : last === 'data' ? 'E-DATA' : 'E-SCHEMA';
}

export const UNKNOWN_MEMBER = 'unknown member';

function messageOf(error: ErrorObject, value: Json | undefined): string {
  const params = error.params as Readonly<Record<string, unknown>>;
  switch (error.keyword) {
    case 'required':
      return `"${String(params['missingProperty'])}" is missing`;
    case 'additionalProperties':
      return UNKNOWN_MEMBER;
    case 'const':
      return `must be ${JSON.stringify(params['allowedValue'])}`;
    case 'enum':
      return `must be one of ${(params['allowedValues'] as readonly unknown[]).map((allowed) => JSON.stringify(allowed)).join(', ')}`;
    case 'type':
      return typeMessage(params['type'], value);
    case 'pattern':
      return `must be ${formOf(error)}, not ${excerpt(value)}`;
    case 'dependentRequired':
      return `"${String(params['missingProperty'])}" is missing: "${String(params['property'])}" requires it`;
    case 'anyOf':
      return 'has none of the allowed forms';
    default:
      return limitMessage(error.keyword, params['limit']);
  }
}

function limitMessage(keyword: string, limit: unknown): string {
  const text = Object.hasOwn(limits, keyword) ? limits[keyword] : undefined;
  if (text === undefined) return `is invalid (${keyword})`;
  return limit === 1 && keyword.startsWith('min') && keyword !== 'minimum'
    ? 'must not be empty'
    : text.replace('N', String(limit));
}

const limits: Readonly<Record<string, string>> = {
  minimum: 'must be at least N',
  maximum: 'must be at most N',
  minLength: 'must have at least N characters',
  maxLength: 'must have at most N characters',
  minItems: 'must have at least N items',
  maxItems: 'must have at most N items',
  minProperties: 'must have at least N members',
};

/** Describes the form that a string must have. It depends on the innermost member that `forms` contains. */
function formOf({ instancePath, params }: ErrorObject): string {
  const name = instancePath.split('/').findLast((step) => Object.hasOwn(forms, step)) ?? '';
  return forms[name] ?? `text that matches ${String(params['pattern'])}`;
}

const MEDIA_TYPE = 'a media type (TYPE/SUBTYPE)';
const HELPER = 'a credential helper name (letters, digits, and the characters _ . -)';
const DIGEST = 'a digest (for example sha256: and 64 lower-case hex digits)';
const forms: Readonly<Record<string, string>> = {
  mediaType: MEDIA_TYPE,
  artifactType: MEDIA_TYPE,
  digest: DIGEST,
  via: DIGEST,
  attests: DIGEST,
  id: DIGEST,
  layers: DIGEST,
  credsStore: HELPER,
  credHelpers: HELPER,
  data: 'base64 with padding',
  urls: 'an absolute URL',
};

function typeMessage(type: unknown, value: Json | undefined): string {
  const names = ([] as unknown[]).concat(type).map(String);
  const expected = names.join(' or ');
  if (value instanceof JsonNumber && names.includes('integer')) {
    return `must be a plain integer up to ${Number.MAX_SAFE_INTEGER}, without fraction or exponent`;
  }
  return `must be ${expected === 'null' ? 'null' : `of type ${expected}`}, not ${value === null ? 'null' : nameOf(value)}`;
}

function nameOf(value: Json | undefined): string {
  if (value instanceof JsonNumber) return 'number';
  return Array.isArray(value) ? 'array' : typeof value;
}

function excerpt(value: Json | undefined): string {
  const text = typeof value === 'string' ? value : '';
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

function valueAt(document: Json, pointer: string): Json | undefined {
  return stepsOf(pointer).reduce<Json | undefined>(
    (value, step) => (value as Readonly<Record<string, Json>> | undefined)?.[step],
    document,
  );
}
