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
} from './errors/errors.ts';
export type { Diagnostic, ErrorCode, ErrorFacts, Problem, Severity, TargetOutcome } from './errors/errors.ts';
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
} from './oci/platform/platform.ts';
export type { FormatPlatformOptions, ParsePlatformOptions, Platform } from './oci/platform/platform.ts';
export { rankEntries, selectPlatform } from './oci/platform/matching.ts';
export type { Selectable } from './oci/platform/matching.ts';
export {
  isKnownArchitecture,
  isKnownPort,
  resolveArchitecture,
  resolveOs,
  resolveVariant,
  suggestPlatform,
} from './oci/platform/aliases.ts';
export { closestMatch } from './text/closest-match.ts';
export { clients } from './selection/clients.ts';
export { compareClients } from './selection/compare.ts';
export type { ClientChoice, Comparison, Verdict } from './selection/compare.ts';
export type { Selection, Client, SelectionReason } from './selection/selection.ts';
export type { RequestedPlatform, Candidate, CandidateList } from './selection/candidates.ts';
export { MediaType } from './oci/media-type.ts';
export type { Annotations, Descriptor } from './oci/descriptor.ts';
export type { ImageConfig, ImageIndex, ImageManifest, Index, Manifest, ManifestList } from './oci/manifest.ts';
export { encodeImageIndex, encodeManifestList } from './oci/list-encoding.ts';
export type { EncodeOptions, ImageIndexInput } from './oci/list-encoding.ts';
export { JsonNumber } from './json/json.ts';
export type { Json, JsonObject } from './json/json.ts';
export { writeJson } from './json/stringify.ts';
export type { WriteJsonOptions } from './json/stringify.ts';
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
} from './store/store.ts';

export { validateDocument } from './schema/documents.ts';
export type { Report, ValidateOptions } from './schema/documents.ts';
export type { RuleOptions } from './schema/rules/list-rules.ts';

export { MAX_YAML_BYTES, writeYaml } from './schema/yaml.ts';

export { writeFileAtomic } from './fs/atomic.ts';
export { inputFailure, writeFailure } from './fs/file-errors.ts';
export { resolveLinks } from './fs/symlinks.ts';
export { collectAtMost, readAtMost, type ReadAtMostOptions } from './fs/read-file.ts';

export type { Draft, EntrySettings, Entry, Format, PlatformSettings } from './draft/draft.ts';
export { isAttestationEntry, platformOf } from './draft/draft.ts';
export type { AnnotationChange, EntryChange, FeatureChange, ListChange } from './draft/draft-edit.ts';
export { encodeDraft, formatOf } from './draft/to-list.ts';
export type { EncodedList } from './draft/to-list.ts';
export type { EntryEvent } from './draft/merge.ts';
export { checkDraft } from './draft/draft-rules.ts';
export { describeEntry } from './draft/entry-selection.ts';
export { platformNames } from './operations/publish/tag-moves.ts';
export type { ReplacedTag } from './transfer/run.ts';
export { parseListName } from './draft/workspace/draft-file.ts';
export { shownLocation, storedLocation } from './oci/stored-location.ts';
export type { Folders } from './oci/stored-location.ts';
export { WORKSPACE_FOLDER as WORKSPACE_FOLDER, locateWorkspace } from './draft/workspace/locate-workspace.ts';
export type { LocateOptions } from './draft/workspace/locate-workspace.ts';
export { Workspace } from './draft/workspace/workspace.ts';
export type { DamagedDraft, StoredDraft, Update } from './draft/workspace/workspace.ts';

export { readHost } from './host/read-host.ts';
export type { HostSources } from './host/read-host.ts';
export { runsOn } from './host/runs-on.ts';
export { ownPlatform } from './host/host-facts.ts';
export type { Binfmt, Handler, HostFacts } from './host/host-facts.ts';
export type { RunBy, Runs } from './host/run-verdict.ts';

export { BlobCache } from './store/cache.ts';
export { certificateFolders } from './store/registry/http/certificates.ts';
export type { Credentials, CredentialsSource } from './store/registry/credentials/credentials.ts';
export type { CredentialLocation, Login } from './store/registry/credentials/credential-store.ts';
export { storedCredentials } from './store/registry/credentials/stored-credentials.ts';
export type { StoredCredentialsOptions } from './store/registry/credentials/stored-credentials.ts';
export type { ReportPending } from './async/pending.ts';
export type { RateLimit } from './store/registry/http/response-headers.ts';
export type { AuthHost, RegistryOptions, RequestEvent } from './store/registry/registry-options.ts';
export type { SessionOptions } from './store/registry/session.ts';

export { planTransfer } from './transfer/plan.ts';
export type { BlobStep, ManifestStep, Plan, RootStep } from './transfer/plan.ts';
export type { TransferEvent } from './transfer/run.ts';

export { add } from './operations/edit/add.ts';
export type { AddOptions, Edited } from './operations/edit/add.ts';
export { annotate } from './operations/edit/annotate.ts';
export type { AnnotateOptions, Annotated } from './operations/edit/annotate.ts';
export { apply } from './operations/apply/apply.ts';
export type { Applied, AppliedList, ApplyOptions } from './operations/apply/apply.ts';
export type { Shard } from './operations/apply/apply-units.ts';
export { copy } from './operations/copy/copy.ts';
export type { Copied, CopyOptions } from './operations/copy/copy.ts';
export type { TransferCounts } from './operations/publish/transfer-counts.ts';
export type { MissingChoice } from './operations/publish/find-missing.ts';
export type { Attached } from './operations/copy/copy-attachments.ts';
export type { Omission } from './operations/omissions.ts';
export { create } from './operations/create/create.ts';
export type { Created, CreateOptions } from './operations/create/create.ts';
export { currentList } from './operations/current-draft.ts';
export { diff } from './operations/diff/diff.ts';
export type { Compared, DiffSide } from './operations/diff/diff.ts';
export type { EntryDifference, ListDiff, MemberChange } from './oci/list-diff.ts';
export { diffLists, isSameList } from './oci/list-diff.ts';
export { listDrafts, prune, removeDraft, useDraft } from './operations/drafts/drafts.ts';
export type { DraftSummary, Pruned } from './operations/drafts/drafts.ts';
export type { OnEvent, OperationEvent } from './operations/events.ts';
export { explain } from './operations/explain/explain.ts';
export type {
  Explained,
  ExplainedClient,
  ExplainedEntry,
  ExplainedPlatform,
  ExplainedUnreachable,
  ExplainOptions,
  PickedEntry,
} from './operations/explain/explain.ts';
export { exportSpec } from './operations/export/export.ts';
export type { ExportOptions } from './operations/export/export.ts';
export { Stores } from './store/open.ts';
export type { ReadStore, StoresOptions, ResolvedLocation, Store, TargetOptions } from './store/open.ts';
export { createAndPush, editAndPush } from './operations/edit/edit-and-push.ts';
export type { EditedAndPushed } from './operations/edit/edit-and-push.ts';
export { editDraft } from './operations/edit-place.ts';
export type { DraftEdit, DraftTarget, EditTarget } from './operations/edit-place.ts';
export { inspect, inspectVerbose } from './operations/inspect/inspect.ts';
export type { Inspected, VerboseManifest } from './operations/inspect/inspect.ts';
export { join } from './operations/join/join.ts';
export type { Joined, JoinOptions } from './operations/join/join.ts';
export { groupOf } from './operations/join/group.ts';
export type { Group } from './operations/join/group.ts';
export { pruneSlots } from './operations/join/prune-slots.ts';
export type { PrunedSlots, PruneSlotsOptions } from './operations/join/prune-slots.ts';
export { login, logout, registryOf } from './operations/login/login.ts';
export type { LoggedIn, LoggedOut, LoginOptions } from './operations/login/login.ts';
export { push } from './operations/push/push.ts';
export type { Pushed, PushOptions } from './operations/push/push.ts';
export { pushDraft } from './operations/push/push-draft.ts';
export type { DraftPushed } from './operations/push/push-draft.ts';
export type { PushDraftOptions } from './operations/push/push-options.ts';
export type { PushedTarget } from './operations/push/push-target.ts';
export type { TagState } from './operations/publish/tag-state.ts';
export type { CheckOptions } from './operations/publish/check-push.ts';
export { contentOf, draftName, lookup } from './operations/lookup.ts';
export type { ChildChoice, LookupResult, ReadOptions } from './operations/lookup.ts';
export { deleteReference, listTags } from './operations/tags/registry-tags.ts';
export type { Deleted, RegistryTagOptions } from './operations/tags/registry-tags.ts';
export { remove } from './operations/edit/remove.ts';
export type { Removed, RemoveOptions } from './operations/edit/remove.ts';
export { resolve } from './operations/resolve/resolve.ts';
export type { ResolvedManifest, ResolveOptions } from './operations/resolve/resolve.ts';
export { resolveSource } from './operations/sources/resolve-source.ts';
export type { AttestationChoice, GivenIndex, ManifestArgument } from './operations/sources/resolve-source.ts';
export { show } from './operations/inspect/show.ts';
export type { ManifestSpec, PlatformSpec, SpecDocument } from './operations/spec/spec.ts';
export type { SpecParsing } from './operations/spec/parse-spec.ts';
export type { SpecFile } from './operations/spec/read-spec.ts';
export { locationHint, pathHint } from './oci/location-hint.ts';
export { waitForSource } from './operations/source-wait.ts';
export { bareArgument, parseBuildMetadata, parseSources } from './operations/sources/parse-sources.ts';
export { readDigestsFolder } from './operations/sources/digests-folder.ts';
export { annotateImages, parseDockerMetadata } from './operations/sources/docker-metadata.ts';
export type { DockerMetadata, EntryAnnotations } from './operations/sources/docker-metadata.ts';
export type { SourceParsing } from './operations/sources/parse-sources.ts';
export type { EntryView, ListView } from './operations/inspect/show.ts';
export { validateBytes, validateFile, validateList } from './operations/validate/validate.ts';
export type { Validated } from './operations/validate/validate.ts';

export { hashPassword } from './server/htpasswd.ts';
export { startRegistry } from './server/start-registry.ts';
export type { RunningRegistry, ServedRequest, ServerOptions } from './server/start-registry.ts';
