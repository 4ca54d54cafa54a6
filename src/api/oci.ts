/**
 * The formats of the OCI specifications and of Docker, without any I/O: references, platforms, digests,
 * descriptors, the encoding of lists, and the validation of documents.
 * @module mlist/oci
 */
export { digestOf, isDigest, parseDigest } from '../oci/digest.ts';
export type { Digest } from '../oci/digest.ts';
export type { Annotations, Descriptor } from '../oci/descriptor.ts';
export { encodeImageIndex, encodeManifestList } from '../oci/list-encoding.ts';
export type { EncodeOptions, ImageIndexInput } from '../oci/list-encoding.ts';
export type { ImageConfig, ImageIndex, ImageManifest, Index, Manifest, ManifestList } from '../oci/manifest.ts';
export { MediaType } from '../oci/media-type.ts';
export { formatPlatform, normalizePlatform, parsePlatform, samePlatform } from '../oci/platform/platform.ts';
export type { FormatPlatformOptions, ParsePlatformOptions, Platform } from '../oci/platform/platform.ts';
export { canonicalReference, familiarReference, formatReference, parseReference } from '../oci/reference.ts';
export type { Reference } from '../oci/reference.ts';
export { JsonNumber } from '../json/json.ts';
export type { Json, JsonObject } from '../json/json.ts';
export { MlistError } from '../errors/errors.ts';
export type { Problem } from '../errors/errors.ts';
export { validateDocument } from '../schema/documents.ts';
export type { Report, ValidateOptions } from '../schema/documents.ts';
