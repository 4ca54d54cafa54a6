import { setTimeout as sleep } from 'node:timers/promises';
import { asMlistError, MlistError } from '../errors/errors.ts';
import { describeDiagnostic } from '../store/registry/registry-error.ts';
import { exceedsMaxWait, backoff, isRetryableStatus } from '../store/registry/http/retry.ts';
import type { ManifestContent, ContentWriter, TagOrDigest, PutOptions } from '../store/store.ts';
import { digestsIn, isDigestName, type Digest } from '../oci/digest.ts';
import { isAboutContent, isContentUnknown, unknownDigests } from './unknown-content.ts';

export interface StoreOptions extends PutOptions {
  /** Whether this command has stored the blob or manifest in the target. Waits while it is being sent. */
  readonly isStored: (digest: string) => Promise<boolean>;
}

/**
 * Stores a manifest under a name. If the registry reports content as unknown that this command has just stored, the PUT
 * is retried once, because some registries are eventually consistent. After a refusal, for example because the tag is
 * immutable, the name is resolved, because it may already refer to the manifest. A tag is also resolved after a failure
 * with an unknown outcome. A conditional write is retried after a server error (5xx) while the condition holds.
 */
export async function storeManifest(
  target: ContentWriter,
  content: ManifestContent,
  name: TagOrDigest,
  { isStored, ...options }: StoreOptions,
): Promise<void> {
  const put = () => putConfirmed(target, content, name, options);
  await put().catch(async (thrown: unknown) => {
    if (!(await isInconsistency(thrown, content, isStored))) throw thrown;
    await pause(2, options);
    await put();
  });
}

/**
 * Whether a manifest was refused only because of content that this command has stored in the target: either all digests
 * in the registry's error are such content or, if the error contains no digest, at least one digest in the manifest is.
 * False for server errors (5xx), which were already retried. The function waits only for digests in the manifest, and
 * two manifests cannot contain each other's digest, so this cannot deadlock.
 */
async function isInconsistency(
  thrown: unknown,
  content: ManifestContent,
  isStored: (digest: string) => Promise<boolean>,
): Promise<boolean> {
  if (!isContentUnknown(thrown) || (asMlistError(thrown).facts.status ?? 500) >= 500) return false;
  const mentioned = digestsIn(content.bytes);
  const lacked = unknownDigests(thrown);
  if (lacked.some((digest) => !mentioned.has(digest))) return false;
  const stored = await Promise.all((lacked.length > 0 ? lacked : [...mentioned]).map(isStored));
  return lacked.length > 0 ? stored.every(Boolean) : stored.some(Boolean);
}

async function putConfirmed(
  target: ContentWriter,
  content: ManifestContent,
  name: TagOrDigest,
  options: PutOptions,
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await target.putManifest(content, name, options);
    } catch (thrown) {
      options.signal?.throwIfAborted();
      if (!(thrown instanceof MlistError) || !mayBeStored(thrown, content, name)) throw thrown;
      const current = await currentDigest(target, name, options);
      if (current === content.descriptor.digest) return;
      if (options.ifMatch === undefined || current !== options.ifMatch) throw thrown;
      if (thrown.facts.status === 412) throw unexpectedConflict(thrown);
      if (!isFault(thrown) || tries > (target.retries ?? 0)) throw thrown;
    }
    await pause(tries, options);
  }
}

function isFault({ facts }: MlistError): boolean {
  const { status = 0 } = facts;
  return status >= 500 && isRetryableStatus(status) && !exceedsMaxWait(facts);
}

async function pause(tries: number, { signal }: PutOptions): Promise<void> {
  await sleep(backoff(tries), undefined, { signal }).catch(() => undefined);
  signal?.throwIfAborted();
}

/**
 * Whether the name may refer to the manifest although the PUT failed. If the outcome is unknown, the result is true for
 * tags only, because a PUT by digest was already retried.
 */
function mayBeStored(thrown: MlistError, content: ManifestContent, name: TagOrDigest): boolean {
  if (isAboutContent(thrown, content)) return false;
  const { status = 0 } = thrown.facts;
  return (status >= 400 && status < 500) || (!isDigestName(name) && isOutcomeUnknown(thrown));
}

/** Whether the manifest may have been written although the error was thrown. */
export function isOutcomeUnknown(thrown: unknown): boolean {
  const codes = ['ERR_MLIST_REGISTRY', 'ERR_MLIST_NETWORK', 'ERR_MLIST_TIMEOUT'];
  return thrown instanceof MlistError && codes.includes(thrown.code);
}

/**
 * Returns the current digest of the name; `absent` if it does not exist, undefined if the digest cannot be determined.
 */
async function currentDigest(
  target: ContentWriter,
  name: TagOrDigest,
  { signal }: PutOptions,
): Promise<Digest | 'absent' | undefined> {
  try {
    return (await target.resolve(name, { signal })).digest;
  } catch (thrown) {
    signal?.throwIfAborted();
    return asMlistError(thrown).code === 'ERR_MLIST_NOT_FOUND' ? 'absent' : undefined;
  }
}

/** Creates the error for an HTTP 412 although the condition holds, for example because the tag is immutable. */
function unexpectedConflict(thrown: MlistError): MlistError {
  const { reference, status, diagnostics = [] } = thrown.facts;
  const reported = diagnostics.map((diagnostic) => `, ${describeDiagnostic(diagnostic)}`).join('');
  const message = `cannot write ${reference}: the registry refused the write, although the tag has not changed`;
  return new MlistError('ERR_MLIST_REGISTRY', `${message} (HTTP ${status}${reported})`, {
    ...thrown.facts,
    hint: undefined,
  });
}
