import { MlistError, SeveralErrors } from '../errors.ts';
import { isMissingContent } from '../content/registry/registry-error.ts';
import type { Content } from '../oci/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { digestsIn } from '../oci/digest.ts';
import type { Plan } from './plan.ts';

/** Refusals of a manifest for lack of what it refers to: layers, the images of a list, or its subject. */

/** Whether a registry has refused a manifest because it lacks what the manifest refers to. */
export function isLostContent(thrown: unknown): boolean {
  if (thrown instanceof SeveralErrors) return thrown.errors.some(isLostContent);
  return thrown instanceof MlistError && isMissingContent(thrown.facts.diagnostics);
}

/** Digests that a refusal names, other than that of the refused manifest itself. */
export function lackedDigests(thrown: unknown): readonly string[] {
  if (thrown instanceof SeveralErrors) return thrown.errors.flatMap(lackedDigests);
  if (!(thrown instanceof MlistError)) return [];
  const { digests = [], reference = '' } = thrown.facts;
  return digests.filter((digest) => !reference.endsWith(`@${digest}`));
}

/**
 * Whether a run was refused for lack of content that the target was known or found to have, rather than of what the plan
 * has sent or leaves out.
 */
export function hasLostKnown(thrown: unknown, { blobs, manifests }: Plan): boolean {
  if (!isLostContent(thrown)) return false;
  const planned = new Set<string>(blobs.map(({ blob }) => blob.digest));
  for (const { content, foreign } of manifests)
    for (const { digest } of [content.descriptor, ...foreign]) planned.add(digest);
  const lacked = lackedDigests(thrown);
  return lacked.length === 0 || lacked.some((digest) => !planned.has(digest));
}

/** Whether a refusal is about what the manifest refers to, whatever code the registry gives. */
export function isAboutContent(thrown: unknown, content: Content): boolean {
  if (isLostContent(thrown)) return true;
  const mentioned = digestsIn(content.bytes);
  return lackedDigests(thrown).some((digest) => mentioned.has(digest));
}

/** Adds to a refusal for lack of content what the registry lacks, and the reason if that is a foreign layer. */
export function withReason(thrown: unknown, foreign: readonly Descriptor[]): unknown {
  if (!(thrown instanceof MlistError) || !isLostContent(thrown)) return thrown;
  const { code, message, facts } = thrown;
  const lacked = lackedDigests(thrown);
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
