import { MlistError, SeveralErrors } from '../errors/errors.ts';
import { namesUnknownContent } from '../store/registry/registry-error.ts';
import type { ManifestContent } from '../store/store.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { digestsIn } from '../oci/digest.ts';
import type { Plan } from './plan.ts';

/**
 * Manifests that a registry refuses because it does not have what they refer to: layers, the images of a list, or a
 * subject. Content that the source of a transfer does not have is in missing-content.ts.
 */

/** Whether a registry has refused a manifest because it does not have what the manifest refers to. */
export function isContentUnknown(thrown: unknown): boolean {
  if (thrown instanceof SeveralErrors) return thrown.errors.some(isContentUnknown);
  return thrown instanceof MlistError && namesUnknownContent(thrown.facts.diagnostics);
}

/** Digests that a refusal names, other than that of the refused manifest itself. */
export function unknownDigests(thrown: unknown): readonly string[] {
  if (thrown instanceof SeveralErrors) return thrown.errors.flatMap(unknownDigests);
  if (!(thrown instanceof MlistError)) return [];
  const { digests = [], reference = '' } = thrown.facts;
  return digests.filter((digest) => !reference.endsWith(`@${digest}`));
}

/**
 * Whether a run was refused because the target has lost content that it was known or found to have, rather than content
 * that the plan has sent or leaves out.
 */
export function hasLostContent(thrown: unknown, { blobs, manifests }: Plan): boolean {
  if (!isContentUnknown(thrown)) return false;
  const planned = new Set<string>(blobs.map(({ blob }) => blob.digest));
  for (const { content, foreign } of manifests)
    for (const { digest } of [content.descriptor, ...foreign]) planned.add(digest);
  const lacked = unknownDigests(thrown);
  return lacked.length === 0 || lacked.some((digest) => !planned.has(digest));
}

/** Whether a refusal is about what the manifest refers to, whatever code the registry gives. */
export function isAboutContent(thrown: unknown, content: ManifestContent): boolean {
  if (isContentUnknown(thrown)) return true;
  const mentioned = digestsIn(content.bytes);
  return unknownDigests(thrown).some((digest) => mentioned.has(digest));
}

/** Adds to a refusal for lack of content what the registry lacks, and the reason if that is a foreign layer. */
export function withReason(thrown: unknown, foreign: readonly Descriptor[]): unknown {
  if (!(thrown instanceof MlistError) || !isContentUnknown(thrown)) return thrown;
  const { code, message, facts } = thrown;
  const lacked = unknownDigests(thrown);
  const layer = foreign.find(({ digest }) => lacked.length === 0 || lacked.includes(digest));
  if (layer !== undefined) {
    const reason = `the foreign layer ${layer.digest} is stored at ${layer.urls?.[0]}, and is not copied`;
    return new MlistError(code, `${message}: ${reason}`, {
      ...facts,
      hint: 'Leave this image out, for example with --platform, or let the registry accept foreign layers.',
    });
  }
  const unnamed = lacked.filter((digest) => !message.includes(digest));
  return unnamed.length === 0 ? thrown : new MlistError(code, `${message}: it lacks ${unnamed.join(', ')}`, facts);
}
