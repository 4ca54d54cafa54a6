import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';

export const schemas = fileURLToPath(new URL('../../schemas/', import.meta.url));

export function readSchemas(folder: string): readonly object[] {
  return readdirSync(join(schemas, folder))
    .filter((name) => name.endsWith('.schema.json'))
    .map((name) => JSON.parse(readFileSync(join(schemas, folder, name), 'utf8')) as object);
}

const ajv = new Ajv2020({
  strict: true,
  strictTypes: false,
  allErrors: true,
  allowUnionTypes: true,
  schemas: [...readSchemas('.'), ...readSchemas('output')],
});

/** Checks that a JSON text is valid against a schema in schemas/output. */
export function expectFits(name: string, text: string): void {
  const validate = ajv.getSchema(`output/${name}.schema.json`);
  expect([name, validate?.(JSON.parse(text)), validate?.errors]).toEqual([name, true, null]);
}
