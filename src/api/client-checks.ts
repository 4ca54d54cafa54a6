import type { CredentialsSource } from '../store/registry/credentials/credentials.ts';
import type {
  AnnotateDraftOptions,
  ApplyOptions,
  ClientOptions,
  CopyOptions,
  CreateDraftOptions,
  CreateIndexOptions,
  ExplainOptions,
  InspectOptions,
  JoinOptions,
  PushDraftOptions,
  PushIndexOptions,
  RemoveFromDraftOptions,
  ResolveOptions,
  ValidateOptions,
} from './client-options.ts';
import type { CallOptions } from './inputs.ts';
import {
  isArrayOf,
  isAtLeast,
  isFlag,
  isFunction,
  isObject,
  isObjectOf,
  isOneOf,
  isRecordOf,
  isSignal,
  isText,
  orNull,
  orUndefined,
  type Check,
  type Checks,
} from './option-checks.ts';

/** This file declares the checks for the options of a client and of its calls. */

const isTexts = (itemName: string): Check => isArrayOf(isText, itemName);
const isPlatforms = isTexts('a platform');
const isFormat = isOneOf('auto', 'oci', 'docker');
const isAttestations = isOneOf('keep', 'drop');
const isMissing = isOneOf('refuse', 'skip', 'fill');

const isAuthHost = isObjectOf({ registry: isText, host: isText });

const isGroupObject = isObjectOf({ id: isText, number: orUndefined(isText), attempt: orUndefined(isAtLeast(0)) });
const isGroup: Check = (value, name) => {
  if (typeof value === 'string') return;
  isObject(value, name, 'a string or an object');
  isGroupObject(value, name);
};

const isCredentials: Check = (value, name) => {
  isObjectOf({ type: isOneOf('basic', 'identity', 'bearer') })(value, name);
  const { type } = value as { readonly type: string };
  isObjectOf(type === 'basic' ? { username: isText, password: isText } : { token: isText })(value, name);
};

/** Wraps the caller's credentials function, so that each result is checked. */
export function checkedCredentials(source: CredentialsSource): CredentialsSource {
  return async (registry, repository) => {
    const credentials = await source(registry, repository);
    if (credentials !== undefined) isCredentials(credentials, `the credentials for ${registry}`);
    return credentials;
  };
}

export const callChecks: Checks<CallOptions> = { signal: isSignal, onEvent: isFunction };

const client: Checks<ClientOptions> = {
  cwd: isText,
  userAgent: isText,
  env: isObject,
  onEvent: isFunction,
  concurrency: isAtLeast(1),
  retries: isAtLeast(0),
  timeoutMs: isAtLeast(0),
  compression: isOneOf('gzip', 'zstd', 'none'),
  spoolLimit: isAtLeast(0),
  insecure: isFlag,
  plainHttp: isTexts('a registry in plainHttp'),
  http1: isFlag,
  caFile: isText,
  certificateFolders: isTexts('a certificate folder'),
  authHosts: isArrayOf(isAuthHost, 'an item in authHosts'),
  allowedRegistries: isTexts('a registry in allowedRegistries'),
  mirrors: isObjectOf({ endpointsOf: isFunction, checkAllowed: isFunction, permitsInsecure: isFunction }),
  credentials: isFunction,
  signal: isSignal,
  onRequest: isFunction,
};

const createIndex: Checks<CreateIndexOptions> = {
  ...callChecks,
  format: isFormat,
  annotations: isRecordOf(isText, 'the annotation'),
  artifactType: isText,
  platforms: isPlatforms,
  attestations: isAttestations,
  missing: isMissing,
  fillFrom: isTexts('a location in fillFrom'),
};

const pushIndex: Checks<PushIndexOptions> = {
  ...callChecks,
  tags: isTexts('a tag'),
  expect: isPlatforms,
  ifDigest: isText,
  allowEmpty: isFlag,
  replaceImage: isFlag,
  allOrNothing: isFlag,
  dryRun: isFlag,
};

const copy: Checks<CopyOptions> = {
  ...callChecks,
  platforms: isPlatforms,
  attestations: isAttestations,
  referrers: isFlag,
  missing: isMissing,
  fillFrom: isTexts('a location in fillFrom'),
  expect: isPlatforms,
  tags: isTexts('a tag'),
  ifDigest: isText,
  replaceImage: isFlag,
  dryRun: isFlag,
};

const resolve: Checks<ResolveOptions> = { ...callChecks, platform: isText };
const inspect: Checks<InspectOptions> = { ...callChecks, platform: isText };
const validate: Checks<ValidateOptions> = {
  ...callChecks,
  allowDuplicates: isFlag,
  deep: isFlag,
  expect: isPlatforms,
  requireAttestations: isTexts('an attestation'),
};
const explain: Checks<ExplainOptions> = { ...callChecks, platforms: isPlatforms };
const join: Checks<JoinOptions> = { ...callChecks, group: isGroup, expect: isPlatforms, waitMs: isAtLeast(0) };
const apply: Checks<ApplyOptions> = {
  ...callChecks,
  dryRun: isFlag,
  name: isText,
  values: isRecordOf(isText, 'the value'),
};

export const optionChecks = {
  client,
  createIndex,
  pushIndex,
  copy,
  resolve,
  inspect,
  validate,
  explain,
  join,
  apply,
};

const create: Checks<CreateDraftOptions> = {
  ...callChecks,
  format: isFormat,
  amend: isFlag,
  replace: isFlag,
  platforms: isPlatforms,
};

const annotate: Checks<AnnotateDraftOptions> = {
  ...callChecks,
  platform: isRecordOf(orNull(isText), 'the platform member'),
  annotations: isRecordOf(orNull(isText), 'the annotation'),
  artifactType: orNull(isText),
};

const remove: Checks<RemoveFromDraftOptions> = { ...callChecks, platforms: isPlatforms };

const push: Checks<PushDraftOptions> = {
  ...callChecks,
  tags: isTexts('a tag'),
  to: isTexts('a location'),
  expect: isPlatforms,
  allOrNothing: isFlag,
  purge: isFlag,
  dryRun: isFlag,
};

/** The checks for the options of `DraftWorkspace`. */
export const draftChecks = { create, annotate, remove, push };
