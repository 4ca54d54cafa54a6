import { isJsonObject, type Json, type JsonObject } from '../json/json.ts';
import { readJson } from '../json/parse.ts';
import { isDigest, type Digest } from '../oci/digest.ts';
import type { Plan } from './plan.ts';

/**
 * Returns a function that names the image to which a blob belongs: by its platform in the list, or as `attestation`. If
 * several images share the blob, the first one is used. The function returns undefined if the blob does not belong
 * to an entry with a platform, or if the root is not a valid list; this is not an error, because the names are only
 * displayed. The root is parsed on the first call.
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
