import { MlistError, SeveralErrors } from '../errors/errors.ts';
import { namesUnknownContent } from '../store/registry/registry-error.ts';
import type { ManifestContent } from '../store/store.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { digestsIn } from '../oci/digest.ts';
import type { Plan } from './plan.ts';

/**
 * This module examines errors of registries that refuse a manifest because they do not have content that it refers to:
 * layers, the images of a list, or a subject. For content that the source of a transfer does not have, see
 * missing-content.ts.
 */

/** Whether a registry has refused a manifest because it does not have content that the manifest refers to. */
export function isContentUnknown(thrown: unknown): boolean {
  if (thrown instanceof SeveralErrors) return thrown.errors.some(isContentUnknown);
  return thrown instanceof MlistError && namesUnknownContent(thrown.facts.diagnostics);
}

/** Returns the digests in the registry's error, except the digest of the refused manifest. */
export function unknownDigests(thrown: unknown): readonly string[] {
  if (thrown instanceof SeveralErrors) return thrown.errors.flatMap(unknownDigests);
  if (!(thrown instanceof MlistError)) return [];
  const { digests = [], reference = '' } = thrown.facts;
  return digests.filter((digest) => !reference.endsWith(`@${digest}`));
}

/**
 * Whether the target has lost content that it had when the plan was created, and that the plan therefore does not send.
 * Missing foreign layers are not lost content. True also if the registry's error contains no digest.
 */
export function hasLostContent(thrown: unknown, { blobs, manifests }: Plan): boolean {
  if (!isContentUnknown(thrown)) return false;
  const planned = new Set<string>(blobs.map(({ blob }) => blob.digest));
  for (const { content, foreign } of manifests)
    for (const { digest } of [content.descriptor, ...foreign]) planned.add(digest);
  const lacked = unknownDigests(thrown);
  return lacked.length === 0 || lacked.some((digest) => !planned.has(digest));
}

/** Whether an error is about content that the manifest refers to, regardless of the registry's error code. */
export function isAboutContent(thrown: unknown, content: ManifestContent): boolean {
  if (isContentUnknown(thrown)) return true;
  const mentioned = digestsIn(content.bytes);
  return unknownDigests(thrown).some((digest) => mentioned.has(digest));
}

/**
 * If an error is about unknown content, adds the missing content to its message: a foreign layer, or the digests in the
 * registry's error. Returns any other error unchanged.
 */
export function withReason(thrown: unknown, foreign: readonly Descriptor[]): unknown {
  if (!(thrown instanceof MlistError) || !isContentUnknown(thrown)) return thrown;
  const { code, message, facts } = thrown;
  const lacked = unknownDigests(thrown);
  const layer = foreign.find(({ digest }) => lacked.length === 0 || lacked.includes(digest));
  if (layer !== undefined) {
    const reason = `the foreign layer ${layer.digest} is stored at ${layer.urls?.[0]}, and is not copied`;
    return new MlistError(code, `${message}: ${reason}`, {
      ...facts,
      hint: undefined,
      remedy: { kind: 'omit-foreign-layer' },
    });
  }
  const unnamed = lacked.filter((digest) => !message.includes(digest));
  return unnamed.length === 0
    ? thrown
    : new MlistError(code, `${message}; missing from the registry: ${unnamed.join(', ')}`, facts);
}
