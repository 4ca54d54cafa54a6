import { isJsonObject, type Json, type JsonObject } from '../../json/json.ts';
import { readJson } from '../../json/parse.ts';
import type { Annotations, Descriptor } from '../../oci/descriptor.ts';
import { digestAlgorithm, digestEncoded, type Digest } from '../../oci/digest.ts';
import type { ImageManifest } from '../../oci/manifest.ts';

/** This file reads the in-toto statements in the layers of an attestation. Signatures are not verified. */

/**
 * The annotation keys for the predicate type of a layer, as set by BuildKit and in-toto, by cosign (envelopes), and by
 * sigstore (bundles), in this order.
 */
const LAYER_KEYS = ['in-toto.io/predicate-type', 'predicateType', 'dev.sigstore.bundle.predicateType'] as const;
const BUNDLE_KEY = 'dev.sigstore.bundle.predicateType';

const LAYER_TYPE = /^application\/vnd\.(?:in-toto|dsse\.envelope\.|dev\.sigstore\.bundle)/;

/** Artifact types of referrers that may hold attestations. Signatures and plain SBOMs have other types. */
const ARTIFACT_TYPE =
  /^application\/vnd\.(?:in-toto|dsse\.envelope\.|dev\.sigstore\.bundle|docker\.attestation\.manifest\.|dev\.cosign\.artifact\.att\.)/;

/** Whether a referrer may hold attestations. True if the artifact type is missing, because registries may omit it. */
export function mayHoldAttestations({ artifactType }: Pick<Descriptor, 'artifactType'>): boolean {
  return artifactType === undefined || ARTIFACT_TYPE.test(artifactType);
}

/**
 * Returns the predicate type in the annotations of a referrer or manifest with a sigstore bundle. Returns undefined if
 * the annotation is missing.
 */
export function bundledPredicate({ annotations }: { readonly annotations?: Annotations }): string | undefined {
  return annotations?.[BUNDLE_KEY];
}

/** A layer that holds a statement, an envelope or a bundle. */
export interface StatementLayer {
  readonly layer: Descriptor;
  /** The predicate type in the annotations; undefined if only the statement contains it. */
  readonly predicateType: string | undefined;
}

export function statementLayers(manifest: ImageManifest): readonly StatementLayer[] {
  const layers = manifest.layers.filter(({ mediaType }) => LAYER_TYPE.test(mediaType));
  const stated = bundledPredicate(manifest);
  return layers.map((layer) => {
    const own = LAYER_KEYS.map((key) => layer.annotations?.[key]).find((type) => type !== undefined);
    return { layer, predicateType: own ?? (layers.length === 1 ? stated : undefined) };
  });
}

export interface Statement {
  readonly predicateType: string;
  /** Whether one of its subjects has the digest. */
  readonly isAbout: (digest: Digest) => boolean;
}

/**
 * Reads a statement, which may be in a DSSE envelope or a sigstore bundle. Returns undefined if the bytes contain none.
 */
export function readStatement(bytes: Uint8Array): Statement | undefined {
  const document = objectIn(bytes);
  const bundled = document?.['dsseEnvelope'];
  const envelope = isJsonObject(bundled) ? bundled : document;
  const payload = envelope?.['payload'];
  const statement = typeof payload === 'string' ? objectIn(Buffer.from(payload, 'base64')) : document;
  const predicateType = statement?.['predicateType'];
  if (statement === undefined || typeof predicateType !== 'string') return undefined;
  return { predicateType, isAbout: (digest) => subjectsOf(statement).some((subject) => hasDigest(subject, digest)) };
}

function objectIn(bytes: Uint8Array): JsonObject | undefined {
  const { value } = readJson(bytes);
  return isJsonObject(value) ? value : undefined;
}

function subjectsOf({ subject }: JsonObject): readonly Json[] {
  return Array.isArray(subject) ? (subject as readonly Json[]) : [];
}

function hasDigest(subject: Json, digest: Digest): boolean {
  const digests = isJsonObject(subject) ? subject['digest'] : undefined;
  return isJsonObject(digests) && digests[digestAlgorithm(digest)] === digestEncoded(digest);
}
