import type { ErrorObject } from 'ajv';
import { MAX_PROBLEMS, type Problem } from '../errors/errors.ts';
import { JsonNumber, type Json } from '../json/json.ts';
import { pointerTo } from '../json/pointer.ts';

/** A compiled schema: `first` stops at the first error, `all` lists them. */
export interface Validator {
  readonly first: ValidateFunction;
  readonly all: ValidateFunction;
}

export interface ValidateFunction {
  (value: unknown): boolean;
  errors?: readonly ErrorObject[] | null;
}

/** Above this many values a bad document costs too much to list all its errors: only the first is told. */
const SMALL = 20_000;

/** What a schema finds wrong with a value; nothing where it fits. `size` is the number of values in the document. */
export function checkSchema(validator: Validator, value: Json, size: number): readonly Problem[] {
  if (isValid(validator.first, value)) return [];
  return listProblems(isSmall(size) ? validator.all : validator.first, value);
}

/** Validators would accept a JsonNumber as an object. They get NaN in its place, which no type of a schema accepts. */
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

/** Whether all errors of a bad document of this many values may be listed. */
export function isSmall(size: number): boolean {
  return size <= SMALL;
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

/** Members that have a rule of their own in docs/rules.md. */
function ruleOf(pointer: string): string {
  if (pointer === '/mediaType') return 'E-TYPE';
  const last = pointer.slice(pointer.lastIndexOf('/') + 1);
  return last === 'digest' ? 'E-DIGEST' : last === 'data' ? 'E-DATA' : 'E-SCHEMA';
}

export const UNKNOWN_MEMBER = 'this member is not known here';

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
      return `must be one of ${(params['allowedValues'] as readonly unknown[]).map((one) => JSON.stringify(one)).join(', ')}`;
    case 'type':
      return typeMessage(params['type'], value);
    case 'pattern':
      return `has not the form ${formOf(error.instancePath)}: ${shown(value)}`;
    case 'dependentRequired':
      return `"${String(params['missingProperty'])}" is missing, which belongs to "${String(params['property'])}"`;
    case 'anyOf':
      return 'is of none of the forms that it may have';
    default:
      return limitMessage(error.keyword, params['limit']);
  }
}

function limitMessage(keyword: string, limit: unknown): string {
  const text = Object.hasOwn(limits, keyword) ? limits[keyword] : undefined;
  if (text === undefined) return `is not as the rule "${keyword}" of its schema asks`;
  return limit === 1 && keyword.startsWith('min') && keyword !== 'minimum'
    ? 'is empty'
    : text.replace('N', String(limit));
}

const limits: Readonly<Record<string, string>> = {
  minimum: 'must be at least N',
  maximum: 'must be at most N',
  minLength: 'is shorter than N characters',
  maxLength: 'is longer than N characters',
  minItems: 'has fewer than N items',
  maxItems: 'has more than N items',
  minProperties: 'has fewer than N members',
};

/** What a text must look like, by the member that it is the value of, or an item of. */
function formOf(pointer: string): string {
  const name = pointer.split('/').findLast((step) => !/^\d+$/.test(step)) ?? '';
  return Object.hasOwn(forms, name) ? `of ${forms[name] ?? ''}` : 'that is asked for';
}

const MEDIA_TYPE = 'a media type, TYPE/SUBTYPE';
const DIGEST = 'a digest, such as sha256: and 64 lower-case hex digits';
const forms: Readonly<Record<string, string>> = {
  mediaType: MEDIA_TYPE,
  artifactType: MEDIA_TYPE,
  digest: DIGEST,
  via: DIGEST,
  attests: DIGEST,
  data: 'base64 with its padding',
  urls: 'an absolute address',
};

function typeMessage(type: unknown, value: Json | undefined): string {
  const names = ([] as unknown[]).concat(type).map(String);
  const wanted = names.join(' or ');
  if (value instanceof JsonNumber && names.includes('integer')) {
    return `must be a plain integer up to ${Number.MAX_SAFE_INTEGER}, without fraction or exponent`;
  }
  return `must be ${wanted === 'null' ? 'null' : `of type ${wanted}`}, not ${value === null ? 'null' : nameOf(value)}`;
}

function nameOf(value: Json | undefined): string {
  if (value instanceof JsonNumber) return 'number';
  return Array.isArray(value) ? 'array' : typeof value;
}

function shown(value: Json | undefined): string {
  const text = typeof value === 'string' ? value : '';
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

function valueAt(document: Json, pointer: string): Json | undefined {
  const steps = pointer.split('/').slice(1);
  return steps.reduce<Json | undefined>((value, step) => {
    const name = step.replaceAll('~1', '/').replaceAll('~0', '~');
    return (value as Readonly<Record<string, Json>> | undefined)?.[name];
  }, document);
}
