/**
 * mlist as a library: drafts of multi-platform image lists, and the registries that they are pushed to.
 * Nothing here prints, exits or reads the environment; what is told while work goes on comes as events.
 */
export {
  MlistError,
  SeveralErrors,
  asMlistError,
  errorCode,
  errorMessage,
  exitCodes,
  MAX_PROBLEMS,
  withHint,
} from './errors.ts';
export type { Diagnostic, ErrorCode, ErrorFacts, Problem, Severity, TargetOutcome } from './errors.ts';
export { version } from './version.ts';

export { digestOf, isDigest, isDigestName, parseDigest, shortDigest } from './oci/digest.ts';
export type { Digest } from './oci/digest.ts';
export {
  canonicalReference,
  familiarReference,
  formatReference,
  parseReference,
  parseTypedReference,
  repositoryName,
  withDefaultTag,
  withoutPassword,
} from './oci/reference.ts';
export type { Reference } from './oci/reference.ts';
export { formatLocation, isFileLocation, nameIn, parseBareLocation, parseLocation } from './oci/location.ts';
export type { FileLocation, Location, RegistryLocation } from './oci/location.ts';
export {
  formatPlatform,
  normalizePlatform,
  parseFormattedPlatform,
  parsePlatform,
  samePlatform,
  splitPlatforms,
} from './oci/platform.ts';
export type { FormatPlatformOptions, ParsePlatformOptions, Platform } from './oci/platform.ts';
export { rankEntries, selectPlatform } from './oci/platform-select.ts';
export type { Selectable } from './oci/platform-select.ts';
export {
  isKnownArchitecture,
  isKnownPort,
  resolveArchitecture,
  resolveOs,
  resolveVariant,
  suggestPlatform,
} from './oci/platform-names.ts';
export { nearest } from './oci/nearest.ts';
export { clients } from './oci/clients/clients.ts';
export { compareClients } from './oci/clients/compare.ts';
export type { ClientChoice, Comparison, Verdict } from './oci/clients/compare.ts';
export type { Choice, Client, Why } from './oci/clients/choice.ts';
export type { Asked, Offer, OfferedList } from './oci/clients/list.ts';
export { MediaType } from './oci/media-type.ts';
export type { Annotations, Descriptor } from './oci/descriptor.ts';
export type { ImageConfig, ImageIndex, ImageManifest, Index, Manifest, ManifestList } from './oci/manifest.ts';
export { encodeImageIndex, encodeManifestList } from './oci/encode.ts';
export type { EncodeOptions, ImageIndexInput } from './oci/encode.ts';
export { JsonNumber } from './oci/json.ts';
export type { Json, JsonObject } from './oci/json.ts';
export { writeJson } from './oci/json-write.ts';
export type { WriteJsonOptions } from './oci/json-write.ts';
export type {
  Content,
  ContentOptions,
  ContentSource,
  ContentTarget,
  FetchOptions,
  Mounts,
  PutOptions,
  Referrers,
  Tags,
} from './oci/content.ts';

export { validateDocument } from './schema/document.ts';
export type { Report, ValidateOptions } from './schema/document.ts';
export type { RuleOptions } from './schema/list-rules.ts';

export { MAX_YAML_BYTES, writeYaml } from './schema/yaml.ts';

export { writeFileAtomic } from './files/atomic.ts';
export { inputFailure, writeFailure } from './files/failure.ts';
export { placeBehindLinks } from './files/links.ts';
export { collectAtMost, readAtMost, type ReadAtMostOptions } from './files/read.ts';

export type { Draft, EntrySettings, Entry, Format, PlatformSettings } from './draft/draft.ts';
export { isAttestationEntry, platformOf } from './draft/draft.ts';
export type { AnnotationChange, EntryChange, FeatureChange, ListChange } from './draft/edit.ts';
export { encodeDraft, formatOf } from './draft/list.ts';
export type { EncodedList } from './draft/list.ts';
export type { EntryEvent } from './draft/merge.ts';
export { checkDraft } from './draft/rules.ts';
export { describeEntry } from './draft/select.ts';
export { platformNames } from './ops/tag-moves.ts';
export type { Replaced } from './transfer/run.ts';
export { parseListName } from './draft/file.ts';
export { shownLocation, storedLocation } from './draft/paths.ts';
export type { Folders } from './draft/paths.ts';
export { FOLDER as WORKSPACE_FOLDER, locateWorkspace } from './draft/locate.ts';
export type { LocateOptions } from './draft/locate.ts';
export { Workspace } from './draft/workspace.ts';
export type { DamagedDraft, StoredDraft, Update } from './draft/workspace.ts';

export { readHost } from './host/read.ts';
export type { HostSources } from './host/read.ts';
export { runsOn } from './host/runs.ts';
export { ownPlatform } from './host/facts.ts';
export type { Binfmt, Handler, HostFacts } from './host/facts.ts';
export type { RunBy, Runs } from './host/verdict.ts';

export { BlobCache } from './content/cache.ts';
export { certificateFolders } from './content/registry/certificates.ts';
export type { Credentials, CredentialsSource } from './content/registry/credentials.ts';
export type { Keeper, Login } from './content/registry/credential-store.ts';
export { storedCredentials } from './content/registry/stored-credentials.ts';
export type { StoredCredentialsOptions } from './content/registry/stored-credentials.ts';
export type { Waiting } from './content/registry/open-steps.ts';
export type { RateLimit } from './content/registry/notices.ts';
export type { AuthHost, RegistryOptions, RequestEvent } from './content/registry/options.ts';
export type { SessionOptions } from './content/registry/session.ts';

export { planTransfer } from './transfer/plan.ts';
export type { BlobStep, ManifestStep, Plan, RootStep } from './transfer/plan.ts';
export type { TransferEvent } from './transfer/run.ts';

export { add } from './ops/add.ts';
export type { AddOptions, Edited } from './ops/add.ts';
export { annotate } from './ops/annotate.ts';
export type { AnnotateOptions, Annotated } from './ops/annotate.ts';
export { apply } from './ops/apply.ts';
export type { Applied, AppliedList, ApplyOptions } from './ops/apply.ts';
export type { Shard } from './ops/apply-units.ts';
export { copy } from './ops/copy.ts';
export type { Copied, CopyOptions } from './ops/copy.ts';
export type { Moved } from './ops/moved.ts';
export type { MissingChoice } from './ops/find-missing.ts';
export type { Attached } from './ops/copy-referrers.ts';
export type { LeftBehind } from './ops/left-behind.ts';
export { create } from './ops/create.ts';
export type { Created, CreateOptions } from './ops/create.ts';
export { currentList } from './ops/current.ts';
export { diff } from './ops/diff.ts';
export type { Compared, DiffSide } from './ops/diff.ts';
export type { EntryDifference, ListDiff, MemberChange } from './oci/list-diff.ts';
export { diffLists, isSameList } from './oci/list-diff.ts';
export { listDrafts, prune, removeDraft, useDraft } from './ops/drafts.ts';
export type { DraftSummary, Pruned } from './ops/drafts.ts';
export type { OnEvent, OperationEvent } from './ops/events.ts';
export { explain } from './ops/explain.ts';
export type {
  Explained,
  ExplainedClient,
  ExplainedEntry,
  ExplainedPlatform,
  ExplainedUnreachable,
  ExplainOptions,
  PickedEntry,
} from './ops/explain.ts';
export { exportSpec } from './ops/export.ts';
export type { ExportOptions } from './ops/export.ts';
export { Homes } from './ops/homes.ts';
export type { Home, HomesOptions, Located, WritableHome, WritingOptions } from './ops/homes.ts';
export { createAndPush, editAndPush } from './ops/edit-and-push.ts';
export type { EditedAndPushed } from './ops/edit-and-push.ts';
export { inDraft } from './ops/edit-place.ts';
export type { DraftEdit, DraftPlace, EditPlace } from './ops/edit-place.ts';
export { inspect, inspectVerbose } from './ops/inspect.ts';
export type { Inspected, VerboseManifest } from './ops/inspect.ts';
export { join } from './ops/join.ts';
export type { Joined, JoinOptions } from './ops/join.ts';
export { groupOf } from './ops/join/group.ts';
export type { Group } from './ops/join/group.ts';
export { pruneSlots } from './ops/join-prune.ts';
export type { PrunedSlots, PruneSlotsOptions } from './ops/join-prune.ts';
export { login, logout, registryOf } from './ops/login.ts';
export type { LoggedIn, LoggedOut, LoginOptions } from './ops/login.ts';
export { push, pushDraft } from './ops/push.ts';
export type { DraftPushed, PushDraftOptions, Pushed, PushOptions } from './ops/push.ts';
export type { PushedTarget } from './ops/push-target.ts';
export type { TagState } from './ops/tag-looks.ts';
export type { CheckOptions } from './ops/push-check.ts';
export { contentOf, draftName, find } from './ops/read.ts';
export type { ChildChoice, Found, ReadOptions } from './ops/read.ts';
export { deleteReference, listTags } from './ops/registry-tags.ts';
export type { Deleted, RegistryTagOptions } from './ops/registry-tags.ts';
export { remove } from './ops/remove.ts';
export type { Removed, RemoveOptions } from './ops/remove.ts';
export { resolve } from './ops/resolve.ts';
export type { ResolvedManifest, ResolveOptions } from './ops/resolve.ts';
export { resolveSource } from './ops/resolve-source.ts';
export type { AttestationChoice, GivenIndex, ManifestArgument } from './ops/resolve-source.ts';
export { show } from './ops/show.ts';
export type { ManifestSpec, PlatformSpec, SpecDocument } from './ops/spec.ts';
export type { SpecParsing } from './ops/spec-parse.ts';
export type { SpecFile } from './ops/spec-read.ts';
export { locationHint, pathHint } from './oci/location-hint.ts';
export { whenThere } from './ops/source-wait.ts';
export { bareArgument, parseBuildMetadata, parseSources } from './ops/sources.ts';
export { readDigestsFolder } from './ops/digests-folder.ts';
export { annotateImages, parseDockerMetadata } from './ops/docker-metadata.ts';
export type { DockerMetadata, EntryAnnotations } from './ops/docker-metadata.ts';
export type { SourceParsing } from './ops/sources.ts';
export type { EntryView, ListView } from './ops/show.ts';
export { validateBytes, validateFile, validateList } from './ops/validate.ts';
export type { Validated } from './ops/validate.ts';

export { hashPassword } from './serve/htpasswd.ts';
export { startRegistry } from './serve/registry.ts';
export type { RunningRegistry, ServedRequest, ServerOptions } from './serve/registry.ts';
