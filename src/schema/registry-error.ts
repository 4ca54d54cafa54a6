import type { Diagnostic } from '../errors.ts';
import { readJson } from '../oci/json-read.ts';
import { checkSchema } from './check.ts';
import { registryError as all } from './compiled/registry-error-all.ts';
import { registryError as first } from './compiled/registry-error-first.ts';

const MOST = 10;
const LONGEST = 300;

/** What a registry said of a failure; nothing where the body is not of the form that the spec gives. */
export function readRegistryError(bytes: Uint8Array): readonly Diagnostic[] {
  const { value, values } = readJson(bytes);
  if (value === undefined || checkSchema({ first, all }, value, values).length > 0) return [];
  const { errors } = value as unknown as { errors: readonly { code: string; message?: string | null }[] };
  return errors
    .slice(0, MOST)
    .map(({ code, message }) => ({ code: code.slice(0, 80), message: (message ?? '').slice(0, LONGEST) }));
}
