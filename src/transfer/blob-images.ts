import { isJsonObject, type Json, type JsonObject } from '../json/json.ts';
import { readJson } from '../json/parse.ts';
import { isDigest, type Digest } from '../oci/digest.ts';
import type { Plan } from './plan.ts';

/**
 * Returns a function that names the image to which a blob of a plan belongs: the platform of the image in the list, or
 * `attestation`. A blob of several images has the name of the first one. Blobs of single images have no name. A list
 * that cannot be parsed is not an error, since the names are only displayed; its blobs have no name either. The list is
 * parsed when the function is first called.
 */
export function imagesOfBlobs(plan: Plan): (blob: Digest) => string | undefined {
  let names: ReadonlyMap<Digest, string> | undefined;
  return (blob) => (names ??= namesIn(plan)).get(blob);
}

function namesIn({ root, manifests }: Plan): ReadonlyMap<Digest, string> {
  const needs = new Map(manifests.map(({ content, needs }) => [content.descriptor.digest, needs]));
  const names = new Map<Digest, string>();
  for (const [digest, name] of namedEntries(root.content.bytes)) {
    const stack = [digest];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      if (names.has(next)) continue;
      names.set(next, name);
      stack.push(...(needs.get(next) ?? []));
    }
  }
  return names;
}

function namedEntries(bytes: Uint8Array): readonly (readonly [Digest, string])[] {
  const { value } = readJson(bytes);
  const { manifests } = isJsonObject(value) ? value : {};
  if (!Array.isArray(manifests)) return [];
  return (manifests as readonly Json[]).flatMap((entry) => {
    if (!isJsonObject(entry)) return [];
    const { digest, platform } = entry;
    if (typeof digest !== 'string' || !isDigest(digest) || !isJsonObject(platform)) return [];
    return [[digest, nameOf(platform)] as const];
  });
}

function nameOf({ os, architecture, variant }: JsonObject): string {
  if (os === 'unknown') return 'attestation';
  const parts = [os, architecture, variant].flatMap((part) => (typeof part === 'string' && part !== '' ? [part] : []));
  return parts.join('/');
}
