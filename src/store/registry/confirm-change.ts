import { errorMessage, MlistError } from '../../errors/errors.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { RegistryResponse } from './request.ts';
import type { Connection } from './connection.ts';
import { encodingOf } from './http/content-encoding.ts';
import type { Step } from '../../async/pending.ts';
import { backoff } from './http/retry.ts';
import { verifyStatedDigest } from './blobs/verify-response.ts';

/**
 * Maximum number of reads to confirm a change. One read may not be enough, because some registries show a write only
 * after a delay.
 */
const READS = 3;

/**
 * A change whose response has a 2xx status other than the one that the distribution-spec requires. The response may be
 * a login page or come from a proxy, so a read has to confirm the change.
 */
export interface UnconfirmedChange {
  readonly step: Step;
  readonly connection: Connection;
  readonly status: number;
  /** The status that the distribution-spec requires. */
  readonly expected: number;
  /**
   * Reads the result of the change. Returns undefined if the change is visible. Otherwise returns the end of the error
   * message, such as `does not have it`.
   */
  readonly read: () => Promise<string | undefined>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads the result of a change until the change is visible.
 * @throws MlistError `ERR_MLIST_REGISTRY` if a read fails, or if the change is not visible after `READS` reads; the
 * reason of the signal if it is aborted
 */
export async function confirmChange(change: UnconfirmedChange): Promise<void> {
  const { connection, read, signal } = change;
  for (let reads = 1; ; reads += 1) {
    const shown = await read().catch((thrown: unknown) => {
      connection.client.signals.throwIfAborted(signal);
      throw unconfirmed(change, `reading it back failed: ${errorMessage(thrown)}`);
    });
    if (shown === undefined) return;
    if (reads >= READS) throw unconfirmed(change, shown);
    await connection.client.pause(backoff(reads), signal);
  }
}

/**
 * Checks whether the result of `queryBlob` shows that the registry has the blob. Returns undefined if it does.
 * Otherwise returns the end of the error message, such as `does not have it`.
 * @throws MlistError `ERR_MLIST_CONTENT_MISMATCH` if the `Docker-Content-Digest` header is invalid, or has another
 * digest
 */
export function blobShownInstead(
  { status, headers }: Pick<RegistryResponse, 'status' | 'headers'>,
  descriptor: Descriptor,
  subject: string,
): string | undefined {
  if (status !== 200) return 'does not have it';
  const stated = headers['docker-content-digest'];
  verifyStatedDigest(subject, stated, descriptor);
  const size = statedSize(headers);
  if (size === undefined && stated !== descriptor.digest) return 'does not report its digest or size';
  if (size === undefined || size === descriptor.size) return undefined;
  return `reports ${size} bytes for it, not ${descriptor.size}`;
}

/** Returns the `content-length` of a response; undefined if it is missing or invalid, or if the body is encoded. */
export function statedSize(headers: RegistryResponse['headers']): number | undefined {
  if (encodingOf(headers) !== undefined) return undefined;
  const length = headers['content-length'];
  return length !== undefined && /^\d+$/.test(length) ? Number(length) : undefined;
}

function unconfirmed({ step, connection, status, expected }: UnconfirmedChange, shown: string): MlistError {
  const { host } = connection.base;
  const response = `${host} responded with HTTP ${status} instead of ${expected}`;
  const message = `cannot ${step.what} ${step.reference}: ${response}, and ${shown}`;
  return new MlistError('ERR_MLIST_REGISTRY', message, {
    reference: step.reference,
    status,
    hint: 'Check whether a login page or a proxy responded in place of the registry.',
  });
}
