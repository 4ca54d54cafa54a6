import { errorMessage, MlistError } from '../../errors/errors.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { RegistryResponse } from './request.ts';
import type { Connection } from './connection.ts';
import { encodingOf } from './http/content-encoding.ts';
import type { Step } from '../../async/pending.ts';
import { backoff } from './http/retry.ts';
import { verifyStatedDigest } from './blobs/verify-response.ts';

/** A change counts as failed only after this number of reads have not shown it, because reads may lag behind writes. */
const READS = 3;

/**
 * A change whose response has another 2xx status than the distribution-spec requires. A login page or a proxy may have
 * sent it, so a read has to confirm the change.
 */
export interface UnconfirmedChange {
  readonly step: Step;
  readonly connection: Connection;
  readonly status: number;
  /** The status that the distribution-spec requires. */
  readonly expected: number;
  /**
   * Reads the result of the change. Returns undefined if the change is visible; otherwise what the registry shows, such
   * as `does not have it`.
   */
  readonly read: () => Promise<string | undefined>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Waits until a read confirms a change.
 * @throws MlistError `ERR_MLIST_REGISTRY` with the status and what the registry shows, or why the read failed
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

/** How the registry's answer contradicts an upload, for messages; undefined if the registry has the blob. */
export function blobShownInstead(
  { status, headers }: Pick<RegistryResponse, 'status' | 'headers'>,
  descriptor: Descriptor,
  subject: string,
): string | undefined {
  if (status !== 200) return 'does not have it';
  const stated = headers['docker-content-digest'];
  verifyStatedDigest(subject, stated, descriptor);
  const size = statedSize(headers);
  if (size === undefined && stated !== descriptor.digest) return 'states neither its digest nor its size';
  return size === undefined || size === descriptor.size ? undefined : `has ${size} bytes of it, not ${descriptor.size}`;
}

/** The `content-length` of a response; undefined if it is missing or the body is encoded. */
export function statedSize(headers: RegistryResponse['headers']): number | undefined {
  if (encodingOf(headers) !== undefined) return undefined;
  const length = headers['content-length'];
  return length !== undefined && /^\d+$/.test(length) ? Number(length) : undefined;
}

function unconfirmed({ step, connection, status, expected }: UnconfirmedChange, shown: string): MlistError {
  const { host } = connection.base;
  const message = `cannot ${step.what} ${step.reference}: ${host} answered HTTP ${status}, not ${expected}, and ${shown}`;
  return new MlistError('ERR_MLIST_REGISTRY', message, {
    reference: step.reference,
    status,
    hint: 'A login page or a proxy may have answered in place of the registry.',
  });
}
