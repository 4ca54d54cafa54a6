import { errorCode } from '../../../errors/errors.ts';
import { apiHost, isLoopback } from './address.ts';
import { bodyOf, readBody, type HttpResponse } from './response.ts';

export interface EndpointOptions {
  /** The registry, as named in references. */
  readonly domain: string;
  readonly plainHttp: boolean;
  readonly insecure: boolean;
  /** Whether certificates are configured for the registry, so that it uses TLS. */
  readonly hasCertificates: () => boolean;
}

/**
 * The address of a registry's API. The scheme is https, unless the registry is on this machine or http was requested. The
 * first address that answers is used for all later requests. Only `insecure` allows a fallback from https to http.
 */
export class Endpoint {
  readonly #options: EndpointOptions;
  #candidates: readonly [URL, ...URL[]] | undefined;
  #reached: URL | undefined;

  constructor(options: EndpointOptions) {
    this.#options = options;
  }

  /** The address that answered, or the one that is tried first. */
  get base(): URL {
    return this.#reached ?? this.#addresses()[0];
  }

  #addresses(): readonly [URL, ...URL[]] {
    if (this.#candidates !== undefined) return this.#candidates;
    const [first, ...others] = schemesFor(this.#options);
    const at = (scheme: string) => new URL(`${scheme}://${apiHost(this.#options.domain)}`);
    return (this.#candidates = [at(first), ...others.map(at)]);
  }

  /** Sends a request to the address that has answered before, or to each address until one answers. */
  async tryAddresses(send: (base: URL) => Promise<HttpResponse>): Promise<Reached> {
    if (this.#reached !== undefined) return { base: this.#reached, response: await send(this.#reached) };
    let failure: Error | undefined;
    let badRequest: Reached | undefined;
    for (const base of this.#addresses()) {
      try {
        const response = await send(base);
        if (base.protocol === 'https:' || response.status !== 400) return this.#use({ base, response });
        badRequest = { base, response: await bufferResponse(response) };
      } catch (thrown) {
        failure ??= thrown as Error;
        if (!mayBeOtherScheme(thrown)) throw thrown;
      }
    }
    if (badRequest !== undefined) return this.#use(badRequest);
    throw failure ?? new Error('no address answers');
  }

  #use(reached: Reached): Reached {
    this.#reached ??= reached.base;
    return reached;
  }
}

interface Reached {
  readonly base: URL;
  readonly response: HttpResponse;
}

function schemesFor({ domain, plainHttp, insecure, hasCertificates }: EndpointOptions): readonly [string, ...string[]] {
  if (plainHttp) return ['http'];
  if (isLoopback(new URL(`http://${domain}`).hostname))
    return hasCertificates() ? ['https', 'http'] : ['http', 'https'];
  return insecure ? ['https', 'http'] : ['https'];
}

/** Errors that the wrong scheme may cause: a reset, a refused connection or an invalid message, but no TLS alert. */
const otherScheme = /^(?:ECONNRESET|ECONNREFUSED|EPIPE|EPROTO|HPE_|ERR_SSL_(?!.*ALERT_))/;

function mayBeOtherScheme(thrown: unknown): boolean {
  return otherScheme.test(errorCode(thrown) ?? '');
}

const MAX_BAD_REQUEST_BYTES = 64 * 1024;

/**
 * Reads the body of a 400 into memory. A TLS server answers a plain http request with 400, but so may a registry: the other
 * scheme is tried, and this response is used if that fails.
 */
async function bufferResponse(response: HttpResponse): Promise<HttpResponse> {
  const bytes = await readBody(response, MAX_BAD_REQUEST_BYTES, 'the response').catch(() => new Uint8Array());
  return { ...response, body: bodyOf(bytes), discard: () => undefined };
}
