import type { Format } from '../draft/draft.ts';
import type { Problem } from '../errors/errors.ts';
import type { Json } from '../json/json.ts';
import type { Annotations, Descriptor } from '../oci/descriptor.ts';
import type { OnEvent } from '../operations/events.ts';
import type { Group } from '../operations/join/group.ts';
import type { RegistryOptions } from '../store/registry/registry-options.ts';
import type { CallOptions, PushedTag } from './inputs.ts';

/** The options and results of the calls of a client. */

/** Everything has a default: by default the client is anonymous and keeps nothing on disk. */
export interface ClientOptions extends Omit<RegistryOptions, 'waiting' | 'onWarning'> {
  /** Base folder of relative paths, for example in `oci:DIR`. Default: the current folder of the process. */
  readonly cwd?: string | undefined;
  /** The `User-Agent` header. Default: `mlist/VERSION`. */
  readonly userAgent?: string | undefined;
  /** Environment variables for proxies and certificates. Default: those of the process. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Receives progress, warnings and notes of all calls that have no `onEvent` of their own. */
  readonly onEvent?: OnEvent | undefined;
}

export interface CreateIndexOptions extends CallOptions {
  /** `auto`: a Docker manifest list if all images have Docker media types and nothing needs OCI. Default auto. */
  readonly format?: Format | undefined;
  /** Annotations of the index itself; they need the OCI format. */
  readonly annotations?: Annotations | undefined;
  readonly artifactType?: string | undefined;
  /** Only the images of these platforms. Default: all. */
  readonly platforms?: readonly string[] | undefined;
  /** Whether attestations of the images are listed. Default keep. */
  readonly attestations?: 'keep' | 'drop' | undefined;
  /** Whether images that a source index lists but its store lacks are an error or skipped. Default refuse. */
  readonly missing?: 'refuse' | 'skip' | undefined;
}

/** An image index or Docker manifest list in memory. */
export interface CreatedIndex {
  /** The exact bytes that are pushed. */
  readonly bytes: Uint8Array;
  readonly descriptor: Descriptor;
  /** The entries, in order. */
  readonly manifests: readonly Descriptor[];
}

export interface PushIndexOptions extends CallOptions {
  /** Further tags: `latest`, or a whole reference for another repository. */
  readonly tags?: readonly string[] | undefined;
  /** Platforms that the index must have. */
  readonly expect?: readonly string[] | undefined;
  /** Refuse to move a tag unless it has this digest; `absent`: unless it does not exist. */
  readonly ifDigest?: string | undefined;
  /** Push an index without entries. Default false. */
  readonly allowEmpty?: boolean | undefined;
  /** Let the index replace a tag that is a single image of a platform that the index lacks. Default false. */
  readonly replaceImage?: boolean | undefined;
  /** Plan and check, but write nothing. Default false. */
  readonly dryRun?: boolean | undefined;
}

export interface PushResult {
  readonly descriptor: Descriptor;
  readonly targets: readonly PushedTag[];
}

export interface CopyOptions extends CallOptions {
  /** Copy only the images of these platforms; a list becomes a shorter one. Default: all. */
  readonly platforms?: readonly string[] | undefined;
  /** Default keep. */
  readonly attestations?: 'keep' | 'drop' | undefined;
  /** Copy the referrers and cosign signatures too. Default false. */
  readonly referrers?: boolean | undefined;
  /** Whether images that a list names but its store lacks are an error or skipped. Default refuse. */
  readonly missing?: 'refuse' | 'skip' | undefined;
  /** Platforms that the content must have. */
  readonly expect?: readonly string[] | undefined;
  /** Let a list replace a tag that is a single image of a platform that the list lacks. Default false. */
  readonly replaceImage?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
}

export interface ResolveOptions extends CallOptions {
  /** The platform of the image that a client would pull; without it the list itself is resolved. */
  readonly platform?: string | undefined;
}

export interface InspectOptions extends CallOptions {
  /** Read the image of this platform instead of the list. */
  readonly platform?: string | undefined;
}

export interface InspectResult {
  /** Canonical reference or location. */
  readonly reference: string;
  readonly descriptor: Descriptor;
  /** The exact bytes. */
  readonly bytes: Uint8Array;
  readonly document: Json;
}

export interface ValidateOptions extends CallOptions {
  /** Two images of the same platform are allowed. Default false. */
  readonly allowDuplicates?: boolean | undefined;
  /** Read every manifest, config and layer too. Only for references and locations. Default false. */
  readonly deep?: boolean | undefined;
}

export interface ValidateResult {
  /** No problem is an error. */
  readonly valid: boolean;
  /** Errors and warnings, at most 100. */
  readonly problems: readonly Problem[];
}

export interface ExplainOptions extends CallOptions {
  /** Default: the platform of this machine. */
  readonly platforms?: readonly string[] | undefined;
}

export interface JoinOptions extends CallOptions {
  /** The build that this call belongs to; calls with the same group build one list together. */
  readonly group?: string | Group | undefined;
  /** All platforms of the build: the tag is written when all are present. Needs `group`. */
  readonly expect?: readonly string[] | undefined;
  /** Milliseconds to wait for the other participants. Default: no wait. */
  readonly waitMs?: number | undefined;
}

export interface ApplyOptions extends CallOptions {
  /** Plan and check, but write nothing. Default false. */
  readonly dryRun?: boolean | undefined;
  /** Name of the document in errors. Default `spec`. */
  readonly name?: string | undefined;
}
