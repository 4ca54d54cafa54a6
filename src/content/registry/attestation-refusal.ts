import { MlistError, withHint } from '../../errors.ts';
import { readJson } from '../../oci/json-read.ts';
import { isJsonObject, type Json } from '../../oci/json.ts';

/** Statuses with which registries refuse a type of manifest. */
const refusals: ReadonlySet<number | undefined> = new Set([400, 405, 415, 422]);

/** Adds a hint to the refusal of an attestation. Returns any other failure unchanged. */
export function explainAttestation(thrown: unknown, bytes: Uint8Array): unknown {
  const isRefusal =
    thrown instanceof MlistError && refusals.has(thrown.facts.status) && thrown.facts.hint === undefined;
  if (!isRefusal || !isAttestation(bytes)) return thrown;
  const hint =
    'It is an attestation. Use "--attestations drop" with copy, create, add or join to leave attestations out.';
  return withHint(thrown, hint);
}

/** Whether all layers of a manifest are in-toto statements. */
function isAttestation(bytes: Uint8Array): boolean {
  const { value } = readJson(bytes);
  const layers = isJsonObject(value) ? value['layers'] : undefined;
  return Array.isArray(layers) && layers.length > 0 && layers.every(isStatement);
}

function isStatement(layer: Json): boolean {
  const mediaType = isJsonObject(layer) ? layer['mediaType'] : undefined;
  return typeof mediaType === 'string' && mediaType.startsWith('application/vnd.in-toto');
}
