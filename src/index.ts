/**
 * The public API of mlist: a client for multi-platform image lists in registries, OCI layouts, archives and container
 * engines, and for drafts in a workspace. `mlist/oci` exports the formats, and `mlist/server` exports an embedded
 * registry for tests. The library never prints anything and never exits the process; it reports progress and warnings
 * as events. docs/stability.md describes what semantic versioning covers.
 * @module mlist
 */
export { createClient } from './api/client.ts';
export type { Client } from './api/client.ts';
export type {
  AnnotateDraftOptions,
  ApplyOptions,
  ClientOptions,
  CopyOptions,
  CreatedIndex,
  CreateDraftOptions,
  CreateIndexOptions,
  ExplainOptions,
  ImageSelection,
  InspectOptions,
  InspectResult,
  JoinOptions,
  PushDraftOptions,
  PushIndexOptions,
  PushResult,
  RemoveFromDraftOptions,
  ResolveOptions,
  ValidateOptions,
  ValidateResult,
} from './api/client-options.ts';
export { dockerCredentials } from './api/docker-credentials.ts';
export type { DraftWorkspace } from './api/draft-workspace.ts';
export type { CallOptions, PushedTag, Source } from './api/inputs.ts';
export { systemMirrors } from './api/system-mirrors.ts';
export { MlistError } from './errors/errors.ts';
export type { ErrorCode, Problem } from './errors/errors.ts';
export type { Remedy } from './errors/remedy.ts';
export type { Applied as ApplyResult, AppliedList } from './operations/apply/apply.ts';
export type { Copied as CopyResult } from './operations/copy/copy.ts';
export type { DraftSummary } from './operations/drafts/drafts.ts';
export type { OnEvent, OperationEvent } from './operations/events.ts';
export type { Explained as Explanation } from './operations/explain/explain.ts';
export type { ListView } from './operations/inspect/show.ts';
export type { Joined as JoinResult } from './operations/join/join.ts';
export type { Deleted as DeleteResult } from './operations/tags/registry-tags.ts';
export type { Credentials, CredentialsSource } from './store/registry/credentials/credentials.ts';
export type {
  ConfigurationOptions as SystemMirrorsOptions,
  RegistryConfiguration,
} from './store/registry/mirrors/registry-configuration.ts';
export type { HostUse } from './store/registry/host-use.ts';
export type { RequestEvent } from './store/registry/registry-options.ts';
export { version } from './version.ts';
