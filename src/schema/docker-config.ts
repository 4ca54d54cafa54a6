import { readJson } from '../oci/json-read.ts';
import { checkSchema } from './check.ts';
import { dockerConfig as all } from './compiled/docker-config-all.ts';
import { dockerConfig as first } from './compiled/docker-config-first.ts';
import { capped, hasErrors } from './problems.ts';
import type { Checked } from './workspace.ts';

/** Docker's config.json or a containers auth.json. An empty file counts as an empty object, as Docker has it. */
export function checkDockerConfig(bytes: Uint8Array): Checked {
  if (bytes.length === 0) return { value: {} };
  const { value, values, problems } = readJson(bytes);
  const found = value === undefined ? problems : [...problems, ...checkSchema({ first, all }, value, values)];
  return value === undefined || hasErrors(found) ? { problems: capped(found) } : { value };
}
