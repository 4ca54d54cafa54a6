import type { ErrorObject } from 'ajv';
import { MAX_PROBLEMS, type Problem } from '../errors.ts';
import { JsonNumber, type Json } from '../oci/json.ts';
import { pointerTo } from '../oci/pointer.ts';

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
  if (validator.first(value)) return [];
  return listProblems(isSmall(size) ? validator.all : validator.first, value);
}

/** Whether all errors of a bad document of this many values may be listed. */
export function isSmall(size: number): boolean {
  return size <= SMALL;
}

export function listProblems(validate: ValidateFunction, value: Json): readonly Problem[] {
  validate(value);
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

function messageOf(error: ErrorObject, value: Json | undefined): string {
  const params = error.params as Readonly<Record<string, unknown>>;
  switch (error.keyword) {
    case 'required':
      return `"${String(params['missingProperty'])}" is missing`;
    case 'additionalProperties':
      return 'this member is not known here';
    case 'const':
      return `must be ${JSON.stringify(params['allowedValue'])}`;
    case 'enum':
      return `must be one of ${(params['allowedValues'] as readonly unknown[]).map((one) => JSON.stringify(one)).join(', ')}`;
    case 'type':
      return typeMessage(params['type'], value);
    case 'pattern':
      return `has not the form that is asked for: ${shown(value)}`;
    default:
      return `breaks the rule "${error.keyword}" of its schema: ${JSON.stringify(error.params)}`;
  }
}

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
