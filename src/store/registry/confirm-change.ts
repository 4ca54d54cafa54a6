import { errorMessage, MlistError } from '../../errors/errors.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { RegistryResponse } from './request.ts';
import type { Connection } from './connection.ts';
import { encodingOf } from './http/content-encoding.ts';
import type { Step } from '../../async/pending.ts';
import { backoff } from './http/retry.ts';
import { verifyStatedDigest } from './blobs/verify-response.ts';

/** The registry's reads may lag behind its writes: so many of them must contradict a change before it counts as failed. */
const READS = 3;

/**
 * A change that was answered with a status of success, but not with the one that the distribution-spec asks for. A login
 * page or a proxy may have answered in place of the registry, so the change counts only if a read confirms it.
 */
export interface UnconfirmedChange {
  readonly step: Step;
  readonly connection: Connection;
  readonly status: number;
  /** The status that would have been enough. */
  readonly expected: number;
  /** Reads what the registry shows instead of the result of the change, such as `does not have it`; undefined if it shows the result. */
  readonly read: () => Promise<string | undefined>;
  readonly signal?: AbortSignal | undefined;
}

/** @throws MlistError `ERR_MLIST_REGISTRY` with the status and what the registry shows, or why it cannot be read */
export async function confirmChange(change: UnconfirmedChange): Promise<void> {
  const { connection, read, signal } = change;
  for (let reads = 1; ; reads += 1) {
    const shown = await read().catch((thrown: unknown) => {
      connection.client.signalFor(signal)?.throwIfAborted();
      throw unconfirmed(change, `reading it back failed: ${errorMessage(thrown)}`);
    });
    if (shown === undefined) return;
    if (reads >= READS) throw unconfirmed(change, shown);
    await connection.client.pause(backoff(reads), signal);
  }
}

/** What a registry shows instead of a blob, for messages; undefined if it has the blob. */
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

/** The length that an answer states for a blob; undefined if the body is encoded. */
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
