import { errorCode } from '../../../errors/errors.ts';
import { apiHost, isLoopback } from './address.ts';
import { bodyOf, readBody, type HttpResponse } from './response.ts';

/**
 * Where a registry's API answers: https, unless the registry is on this machine or was said to be plain. The first
 * address that answers is kept. There is no way back from https to http but where the user gave up security.
 */
export interface EndpointOptions {
  readonly domain: string;
  readonly plainHttp: boolean;
  readonly insecure: boolean;
  /** Certificates were named for this registry: it speaks TLS. */
  readonly hasCertificates: () => boolean;
}

export class Endpoint {
  readonly #options: EndpointOptions;
  #candidates: readonly [URL, ...URL[]] | undefined;
  #settled: URL | undefined;

  constructor(options: EndpointOptions) {
    this.#options = options;
  }

  /** The address that answered, or the one that is tried first. */
  get base(): URL {
    return this.#settled ?? this.#choices()[0];
  }

  #choices(): readonly [URL, ...URL[]] {
    if (this.#candidates !== undefined) return this.#candidates;
    const [first, ...others] = schemesFor(this.#options);
    const at = (scheme: string) => new URL(`${scheme}://${apiHost(this.#options.domain)}`);
    return (this.#candidates = [at(first), ...others.map(at)]);
  }

  /** Sends a request to the address that is known to answer, or to each in turn until one does. */
  async tryAddresses(send: (base: URL) => Promise<HttpResponse>): Promise<Reached> {
    if (this.#settled !== undefined) return { base: this.#settled, answer: await send(this.#settled) };
    let failure: Error | undefined;
    let refusal: Reached | undefined;
    for (const base of this.#choices()) {
      try {
        const answer = await send(base);
        if (base.protocol === 'https:' || answer.status !== 400) return this.#settle({ base, answer });
        refusal = { base, answer: await bufferResponse(answer) };
      } catch (thrown) {
        failure ??= thrown as Error;
        if (!mayBeOtherScheme(thrown)) throw thrown;
      }
    }
    if (refusal !== undefined) return this.#settle(refusal);
    throw failure ?? new Error('no address answers');
  }

  #settle(reached: Reached): Reached {
    this.#settled ??= reached.base;
    return reached;
  }
}

interface Reached {
  readonly base: URL;
  readonly answer: HttpResponse;
}

function schemesFor({ domain, plainHttp, insecure, hasCertificates }: EndpointOptions): readonly [string, ...string[]] {
  if (plainHttp) return ['http'];
  if (isLoopback(new URL(`http://${domain}`).hostname))
    return hasCertificates() ? ['https', 'http'] : ['http', 'https'];
  return insecure ? ['https', 'http'] : ['https'];
}

/** What the wrong scheme looks like from here: a reset, a refusal, or bytes that make no sense; never a word of TLS. */
const otherScheme = /^(?:ECONNRESET|ECONNREFUSED|EPIPE|EPROTO|HPE_|ERR_SSL_(?!.*ALERT_))/;

function mayBeOtherScheme(thrown: unknown): boolean {
  return otherScheme.test(errorCode(thrown) ?? '');
}

const LONGEST_REFUSAL = 64 * 1024;

/**
 * What a server answers over http that speaks TLS: 400, with a text, a page, or to HEAD nothing that would tell it from
 * another 400. So the other scheme is tried, and the answer kept in case there is none.
 */
async function bufferResponse(answer: HttpResponse): Promise<HttpResponse> {
  const bytes = await readBody(answer, LONGEST_REFUSAL, 'the answer').catch(() => new Uint8Array());
  return { ...answer, body: bodyOf(bytes), discard: () => undefined };
}
