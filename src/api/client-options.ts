import type { AnnotationChange } from '../draft/draft-edit.ts';
import type { EntrySettings, Format } from '../draft/draft.ts';
import type { Problem } from '../errors/errors.ts';
import type { Json } from '../json/json.ts';
import type { Annotations, Descriptor } from '../oci/descriptor.ts';
import type { OnEvent } from '../operations/events.ts';
import type { Group } from '../operations/join/group.ts';
import type { RegistryOptions } from '../store/registry/registry-options.ts';
import type { CallOptions, PushedTag } from './inputs.ts';

/** This file declares the options and results of a client and of its draft workspaces. */

/** All options are optional. By default, the client sends no credentials, and its cache is in memory. */
export interface ClientOptions extends Omit<
  RegistryOptions,
  'waiting' | 'onWarning' | 'onNote' | 'onMirror' | 'allowedRegistries'
> {
  /**
   * The registries that may receive credentials and be written to: `HOST`, `HOST:PORT` or `*.DOMAIN`. All others are
   * only read, anonymously. Default: all registries are allowed.
   */
  readonly allowedRegistries?: readonly string[] | undefined;
  /** The folder to which paths are relative, for example in `oci:DIR`. Default: the current folder of the process. */
  readonly cwd?: string | undefined;
  /** The `User-Agent` header. Default: `mlist/VERSION`. */
  readonly userAgent?: string | undefined;
  /** Environment variables for proxies, certificates and container engines. Default: the environment of the process. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /**
   * How to compress layers that archives and engines store uncompressed; `zstd` needs Node 22.15. Default: `gzip` for
   * engine images, `none` for archives of `docker save`.
   */
  readonly compression?: 'gzip' | 'zstd' | 'none' | undefined;
  /** Maximum total size of the temporary files, in bytes. Default: 90 % of the free space. */
  readonly spoolLimit?: number | undefined;
  /**
   * Receives the events of calls that have no `onEvent`, and all events about connections and mirrors, because calls
   * share them. If it throws, the affected calls are aborted with the thrown error as the reason.
   */
  readonly onEvent?: OnEvent | undefined;
}

export interface CreateIndexOptions extends CallOptions {
  /**
   * `auto`: a Docker manifest list if all images have Docker media types and nothing requires OCI, otherwise an image
   * index. Default auto.
   */
  readonly format?: Format | undefined;
  /** Annotations of the index itself, which require the OCI format. */
  readonly annotations?: Annotations | undefined;
  readonly artifactType?: string | undefined;
  /** Include only the images for these platforms. Default: all images. */
  readonly platforms?: readonly string[] | undefined;
  /** Keep or drop the attestations of the images. Default keep. */
  readonly attestations?: 'keep' | 'drop' | undefined;
  /**
   * What to do with an image that a source lists but does not have. `refuse`: report an error. `skip`: omit the image.
   * `fill`: read it from the locations in `fillFrom`. Default refuse.
   */
  readonly missing?: 'refuse' | 'skip' | 'fill' | undefined;
  /**
   * With `missing: 'fill'`: the repositories, layouts or archives to read missing content from, in this order. Default:
   * the repositories that the source records as the origins of its content.
   */
  readonly fillFrom?: readonly string[] | undefined;
}

/** An image index or Docker manifest list in memory. */
export interface CreatedIndex {
  /** The exact bytes that are pushed. */
  readonly bytes: Uint8Array;
  readonly descriptor: Descriptor;
  /** The descriptors of the entries, in order. */
  readonly manifests: readonly Descriptor[];
}

export interface PushIndexOptions extends CallOptions {
  /** Further tags, such as `latest`, or complete references for other repositories. */
  readonly tags?: readonly string[] | undefined;
  /** Platforms that the index must have. */
  readonly expect?: readonly string[] | undefined;
  /**
   * Move a tag only if it refers to this digest or, with `absent`, only if it does not exist. A tag that already refers
   * to the index is accepted.
   */
  readonly ifDigest?: string | undefined;
  /** Allow an index without entries. Default false. */
  readonly allowEmpty?: boolean | undefined;
  /** Allow a tag to move from a single image to an index that has no image for its platform. Default false. */
  readonly replaceImage?: boolean | undefined;
  /**
   * With tags in several repositories: do not move any tag until all repositories have the content. If moving a tag then
   * fails, the error has the outcome of each tag in `facts.targets`, and tags that were already moved are not restored.
   * Default false.
   */
  readonly allOrNothing?: boolean | undefined;
  /** Plan and check, but write nothing. Default false. */
  readonly dryRun?: boolean | undefined;
}

export interface PushResult {
  readonly descriptor: Descriptor;
  readonly targets: readonly PushedTag[];
}

export interface CopyOptions extends CallOptions {
  /** Copy only images for these platforms. A list with fewer entries gets a new digest. Default: all. */
  readonly platforms?: readonly string[] | undefined;
  /** Keep or drop the attestations of the images. Default keep. */
  readonly attestations?: 'keep' | 'drop' | undefined;
  /** Copy the referrers and cosign signatures too. Default false. */
  readonly referrers?: boolean | undefined;
  /**
   * What to do with an image that the source lists but does not have. `refuse`: report an error. `skip`: omit the
   * image. `fill`: read it from the locations in `fillFrom`. Default refuse.
   */
  readonly missing?: 'refuse' | 'skip' | 'fill' | undefined;
  /**
   * With `missing: 'fill'`: the repositories, layouts or archives to read missing content from, in this order. Default:
   * the repositories that the source records as the origins of its content.
   */
  readonly fillFrom?: readonly string[] | undefined;
  /** Platforms that the copied image or list must have. */
  readonly expect?: readonly string[] | undefined;
  /** Further tags in the target, such as `latest`. All tags are written after the content. Default: none. */
  readonly tags?: readonly string[] | undefined;
  /**
   * Move a tag only if it refers to this digest or, with `absent`, only if it does not exist. A tag that already refers
   * to the content is accepted.
   */
  readonly ifDigest?: string | undefined;
  /** Allow a tag to move from a single image to a list that has no image for its platform. Default false. */
  readonly replaceImage?: boolean | undefined;
  /** Plan and check, but write nothing. Default false. */
  readonly dryRun?: boolean | undefined;
}

export interface ResolveOptions extends CallOptions {
  /** Resolve the image that containerd pulls for this platform. Default: resolve the list itself. */
  readonly platform?: string | undefined;
}

export interface InspectOptions extends CallOptions {
  /**
   * Read the manifest of the image for this platform. The list must have exactly one such image. Default: read the list
   * itself.
   */
  readonly platform?: string | undefined;
}

export interface InspectResult {
  /** The canonical reference, or the location. */
  readonly reference: string;
  readonly descriptor: Descriptor;
  /** The exact bytes of the manifest. */
  readonly bytes: Uint8Array;
  readonly document: Json;
}

export interface ValidateOptions extends CallOptions {
  /** Allow several images for one platform. Default false. */
  readonly allowDuplicates?: boolean | undefined;
  /**
   * Also check that every manifest, config and layer exists with the stated size, and that each config has the platform
   * of its entry. Only for references and locations. Default false.
   */
  readonly deep?: boolean | undefined;
  /** Platforms that the list must have. Other platforms cause warnings. Default: not checked. */
  readonly expect?: readonly string[] | undefined;
  /**
   * Attestations that each image must have: `provenance`, `sbom`, or a predicate type such as
   * `https://slsa.dev/verification_summary/v1`. Signatures are not verified. Only for references and locations.
   * Default: none.
   */
  readonly requireAttestations?: readonly string[] | undefined;
}

export interface ValidateResult {
  /** Whether there are no errors. A valid document may have warnings. */
  readonly valid: boolean;
  /** Errors and warnings, at most 100. */
  readonly problems: readonly Problem[];
}

export interface ExplainOptions extends CallOptions {
  /** The requested platforms. Default: the platform of this machine. */
  readonly platforms?: readonly string[] | undefined;
}

export interface JoinOptions extends CallOptions {
  /** The build that this call belongs to. Calls with the same group create one list together. */
  readonly group?: string | Group | undefined;
  /** All platforms of the build. The tag is written when all of them are present. Requires `group`. */
  readonly expect?: readonly string[] | undefined;
  /** With `expect`: the maximum time to wait for the other participants, in milliseconds. Default 0. */
  readonly waitMs?: number | undefined;
}

export interface ApplyOptions extends CallOptions {
  /** Plan and check, but write nothing. Default false. */
  readonly dryRun?: boolean | undefined;
  /** The name of the spec in error messages. Default `spec`. */
  readonly name?: string | undefined;
  /**
   * Values for `${NAME}` in the strings of the spec, keyed by name. They are inserted after the spec has been parsed,
   * so they cannot change its structure. If values are given, `$$` is a literal `$`, and it is an error if a `${NAME}`
   * has no value, or if a value is not used. Errors do not contain the values. Default: `${` has no special meaning.
   */
  readonly values?: Readonly<Record<string, string>> | undefined;
}

export interface CreateDraftOptions extends CallOptions {
  readonly format?: Format | undefined;
  /** Add to an existing draft and update its entries. Default: an existing draft with other content is an error. */
  readonly amend?: boolean | undefined;
  /** Replace the entries of an existing draft. Default: an existing draft with other content is an error. */
  readonly replace?: boolean | undefined;
  /** Add only the images for these platforms. Default: all images. */
  readonly platforms?: readonly string[] | undefined;
}

/** Selects images of a draft: the images for the given platforms, or all images. Attestations are not selected. */
export type ImageSelection = { readonly platforms: readonly string[] } | { readonly all: true };

/** The settings that `DraftWorkspace.annotate` changes. Null removes a setting. */
export interface AnnotateDraftOptions extends CallOptions {
  /** Platform members that override the detected ones, such as `variant`. */
  readonly platform?: Omit<EntrySettings, 'annotations' | 'artifactType' | 'os.features'> | undefined;
  readonly annotations?: AnnotationChange | undefined;
  readonly artifactType?: string | null | undefined;
}

export interface RemoveFromDraftOptions extends CallOptions {
  /** Remove only the images for these platforms: among the given images, or in the whole list if no image is given. */
  readonly platforms?: readonly string[] | undefined;
}

export interface PushDraftOptions extends CallOptions {
  /** Further targets: `:TAG`, or a complete reference. */
  readonly tags?: readonly string[] | undefined;
  /** Locations to push to instead of the list's own reference. */
  readonly to?: readonly string[] | undefined;
  /** Platforms that the list must have. */
  readonly expect?: readonly string[] | undefined;
  /**
   * Move no tag before all targets have the content. If moving a tag then fails, the error has the outcome of each tag
   * in `facts.targets`, and tags that were already moved are not restored. Default false.
   */
  readonly allOrNothing?: boolean | undefined;
  /** Remove the draft after the push. Default false. */
  readonly purge?: boolean | undefined;
  /** Plan and check, but write nothing. Default false. */
  readonly dryRun?: boolean | undefined;
}
