import { attestationEntry } from './buildx.ts';
import { makeImage, pushImage, sha256, type Image } from './images.ts';

/** Attestations as BuildKit, cosign, GitHub and in-toto tools store them. */
export const provenance = 'https://slsa.dev/provenance/v1';
export const spdx = 'https://spdx.dev/Document';

const EMPTY = Buffer.from('{}');

export interface AttestationLayer {
  readonly mediaType?: string;
  readonly content?: object;
  readonly annotations?: object;
}

/** An artifact manifest with these layers and an empty config. */
export function artifactOf(layers: readonly AttestationLayer[], more: object): Image {
  const blobs = layers.map(({ content = {} }) => Buffer.from(JSON.stringify(content)));
  const described = layers.map(({ mediaType = 'application/vnd.in-toto+json', annotations }, at) => ({
    mediaType,
    digest: sha256(blobs[at]!),
    size: blobs[at]!.length,
    ...(annotations === undefined ? {} : { annotations }),
  }));
  const config = { mediaType: 'application/vnd.oci.empty.v1+json', digest: sha256(EMPTY), size: EMPTY.length };
  const base = makeImage({ kind: 'oci', layers: 0, manifest: { config, layers: described, ...more } });
  return { ...base, blobs: [EMPTY, ...blobs] };
}

export function subjectOf({ mediaType, digest, bytes }: Image): object {
  return { subject: { mediaType, digest, size: bytes.length } };
}

export function statementOf(image: Image, predicateType: string): object {
  const subject = [{ name: 'app', digest: { sha256: image.digest.replace('sha256:', '') } }];
  return { _type: 'https://in-toto.io/Statement/v1', subject, predicateType, predicate: {} };
}

export function envelopeOf(statement: object): object {
  const payload = Buffer.from(JSON.stringify(statement)).toString('base64');
  return { payloadType: 'application/vnd.in-toto+json', payload, signatures: [] };
}

/** As BuildKit lists it beside its image. */
export function buildkitAttestation(image: Image, types: readonly string[], more: object = {}): Image {
  const layers = types.map((type) => ({
    content: statementOf(image, type),
    annotations: { 'in-toto.io/predicate-type': type },
  }));
  const artifactType = 'application/vnd.docker.attestation.manifest.v1+json';
  return artifactOf(layers, { artifactType, ...subjectOf(image), ...more });
}

export const listedFor = attestationEntry;

/** As cosign 3 and GitHub push it: a referrer with a sigstore bundle. */
export function sigstoreBundle(image: Image, predicateType: string, annotated = true): Image {
  const type = 'application/vnd.dev.sigstore.bundle.v0.3+json';
  const layer = { mediaType: type, content: { dsseEnvelope: envelopeOf(statementOf(image, predicateType)) } };
  const annotations = { 'dev.sigstore.bundle.content': 'dsse-envelope' };
  return artifactOf([layer], {
    artifactType: type,
    ...subjectOf(image),
    annotations: annotated ? { ...annotations, 'dev.sigstore.bundle.predicateType': predicateType } : annotations,
  });
}

/** A referrer with the media types of in-toto. */
export function intotoReferrer(image: Image, statement: object, mediaType = 'application/vnd.in-toto+json'): Image {
  const artifactType = 'application/vnd.in-toto+json';
  return artifactOf([{ mediaType, content: statement }], { artifactType, ...subjectOf(image) });
}

export async function pushAll(url: string, repository: string, images: readonly Image[]): Promise<void> {
  for (const image of images) await pushImage(url, repository, undefined, image);
}
