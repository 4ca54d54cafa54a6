import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { RequestError, type RegistryErrorEntry } from '../request-error.ts';
import { replyError, type Headers } from '../server-exchange.ts';
import { changeBody, changeHeaders, cutBody, loseResponse } from './changed-response.ts';
import { matches, type Fault } from './fault.ts';

const OTHER_DIGEST = `sha256:${'0'.repeat(64)}`;

/** Injects faults into the responses to matching requests. */
export class FaultInjector {
  readonly #faults: readonly { readonly fault: Fault; skipped: number; applied: number }[];

  constructor(faults: readonly Fault[]) {
    this.#faults = faults.map((fault) => ({ fault, skipped: 0, applied: 0 }));
  }

  /**
   * Applies the faults that match a request, until one of them answers it. A fault may change the URL of the request,
   * or its response.
   * @returns whether a fault has answered the request
   */
  async apply(request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const { method = '', url = '' } = request;
    const due = this.#faults.filter((each) => {
      const { fault } = each;
      if (!matches(fault, method, url) || each.applied >= (fault.times ?? Infinity)) return false;
      if (each.skipped < (fault.skip ?? 0)) {
        each.skipped += 1;
        return false;
      }
      each.applied += 1;
      return true;
    });
    for (const { fault } of due) if (await inject(fault, request, response)) return true;
    return false;
  }
}

/**
 * Applies one fault.
 * @returns whether the fault has answered the request
 */
async function inject(fault: Fault, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
  const answer = (status: number, problem: RegistryErrorEntry, headers?: Readonly<Record<string, string>>): true => {
    replyError({ request, response }, new RequestError(status, problem, headers));
    return true;
  };
  if ('status' in fault)
    return answer(fault.status, { code: 'UNKNOWN', message: 'this fault was injected' }, fault.headers);
  if ('delayMs' in fault) await untilClosed(fault.delayMs, response);
  else if ('cutAfter' in fault) {
    if (fault.cutAfter === 0) loseResponse(response);
    else cutBody(response, fault.cutAfter);
  } else if ('wrongDigest' in fault) {
    if (request.method === 'GET') changeBody(response, flipFirstBit);
    else changeHeaders(response, replaceDigest);
  } else if ('noMount' in fault) {
    request.url = (request.url ?? '').replace(/\?.*$/, '');
  } else {
    fault satisfies { readonly noReferrers: true };
    if (request.method !== 'PUT')
      return answer(404, { code: 'UNSUPPORTED', message: 'the referrers API is not supported' });
    changeHeaders(response, withoutSubject);
  }
  return false;
}

/** Waits for the given time, or until the client disconnects. */
async function untilClosed(milliseconds: number, response: ServerResponse): Promise<void> {
  const closed = new AbortController();
  const onClose = () => closed.abort();
  response.once('close', onClose);
  await sleep(milliseconds, undefined, { signal: closed.signal }).catch(() => undefined);
  response.off('close', onClose);
}

function flipFirstBit(chunk: Buffer, offset: number): Buffer {
  if (offset > 0 || chunk.length === 0) return chunk;
  const changed = Buffer.from(chunk);
  changed[0] = (changed[0] ?? 0) ^ 1;
  return changed;
}

function withoutSubject(headers: Headers): Headers {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'oci-subject'));
}

function replaceDigest(headers: Headers): Headers {
  return 'docker-content-digest' in headers ? { ...headers, 'docker-content-digest': OTHER_DIGEST } : headers;
}
