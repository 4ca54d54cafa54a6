import { errorCode } from '../../../errors/errors.ts';
import { isLoopback } from '../../hosts.ts';
import { apiHost } from './address.ts';
import { bodyOf, readBody, type HttpResponse } from './response.ts';

export interface EndpointOptions {
  /** The registry, as references name it. */
  readonly domain: string;
  readonly plainHttp: boolean;
  readonly insecure: boolean;
  /** Whether certificates are configured for the registry, so that it uses TLS. */
  readonly hasCertificates: () => boolean;
  /**
   * The only scheme that is tried first. Default: https, or http for registries of `plainHttp` and for those on this
   * machine without certificates.
   */
  readonly scheme?: 'https' | 'http' | undefined;
  /** The path and the query of the API. Default `/v2`. */
  readonly api?: string | undefined;
  /** Whether requests to an address with `scheme` http may carry credentials. Default false. */
  readonly trustsHttp?: boolean | undefined;
  /**
   * Whether a configuration file permits plain http and unverified TLS for requests without credentials. Called only if
   * no other address answers.
   */
  readonly permitsInsecure?: (() => Promise<boolean>) | undefined;
}

/** An address of a registry's API, with the security of its connections. */
export interface Address {
  readonly base: URL;
  /** Whether requests may carry credentials. */
  readonly isTrusted: boolean;
  /** Whether the certificate is not verified, although `insecure` is not set. */
  readonly isUnverified: boolean;
}

/**
 * The address of a registry's API. The scheme is https, unless the registry is on this machine or http was requested.
 * The first address that answers is used for all later requests. A fallback from https to http requires `insecure` or,
 * for requests without credentials, `permitsInsecure`.
 */
export class Endpoint {
  readonly #options: EndpointOptions;
  #candidates: readonly [Address, ...Address[]] | undefined;
  #reached: Address | undefined;

  constructor(options: EndpointOptions) {
    this.#options = options;
  }

  /** The address that answered, or before any answer the one that is tried first. */
  get base(): URL {
    return this.#address.base;
  }

  /** Whether requests may carry credentials. */
  get isTrusted(): boolean {
    return this.#address.isTrusted;
  }

  get #address(): Address {
    return this.#reached ?? this.#addresses()[0];
  }

  #addresses(): readonly [Address, ...Address[]] {
    if (this.#candidates !== undefined) return this.#candidates;
    const { scheme, trustsHttp = false, plainHttp, insecure, domain } = this.#options;
    const [first, ...others] = schemesFor(this.#options);
    const isTrusted = scheme !== 'http' || trustsHttp || plainHttp || insecure || isLocal(domain);
    const at = (name: string) => ({ base: this.#urlOf(name), isTrusted, isUnverified: false });
    return (this.#candidates = [at(first), ...others.map(at)]);
  }

  #urlOf(scheme: string): URL {
    const { domain, api = '/v2' } = this.#options;
    return new URL(`${scheme}://${apiHost(domain)}${api}`);
  }

  /** Sends a request to the address that has answered before, or to each address until one answers. */
  async tryAddresses(send: (address: Address) => Promise<HttpResponse>): Promise<Reached> {
    if (this.#reached !== undefined) return { ...this.#reached, response: await send(this.#reached) };
    const { response, failure } = await this.#try(this.#addresses(), send);
    if (response !== undefined) return response;
    if (mayBeInsecure(failure) && (await this.#options.permitsInsecure?.()) === true) {
      const insecure = ['https', 'http'].map((scheme) => ({
        base: this.#urlOf(scheme),
        isTrusted: false,
        isUnverified: true,
      }));
      const second = await this.#try(insecure, send);
      // A verified address may have answered another request in the meantime. From then on requests have credentials,
      // so an unverified response must not determine where they are sent.
      if (this.#hasReachedTrusted()) second.response?.response.discard();
      else if (second.response !== undefined) return second.response;
    }
    throw failure ?? new Error('no address answers');
  }

  #hasReachedTrusted(): boolean {
    return this.#reached?.isTrusted === true;
  }

  async #try(addresses: readonly Address[], send: (address: Address) => Promise<HttpResponse>): Promise<Tried> {
    let failure: Error | undefined;
    let badRequest: Reached | undefined;
    for (const address of addresses) {
      try {
        const response = await send(address);
        if (address.base.protocol === 'https:' || response.status !== 400)
          return { response: this.#use({ ...address, response }) };
        badRequest = { ...address, response: await bufferResponse(response) };
      } catch (thrown) {
        failure ??= thrown as Error;
        if (!mayBeOtherScheme(thrown) && !address.isUnverified) return { failure: thrown as Error };
      }
    }
    return badRequest === undefined ? { failure } : { response: this.#use(badRequest) };
  }

  #use(reached: Reached): Reached {
    const { base, isTrusted, isUnverified } = reached;
    this.#reached ??= { base, isTrusted, isUnverified };
    return reached;
  }
}

interface Reached extends Address {
  readonly response: HttpResponse;
}

interface Tried {
  readonly response?: Reached;
  readonly failure?: Error | undefined;
}

function schemesFor({
  domain,
  plainHttp,
  insecure,
  hasCertificates,
  scheme,
}: EndpointOptions): readonly [string, ...string[]] {
  if (plainHttp || scheme === 'http') return ['http'];
  if (isLocal(domain) && scheme === undefined) return hasCertificates() ? ['https', 'http'] : ['http', 'https'];
  return insecure ? ['https', 'http'] : ['https'];
}

function isLocal(domain: string): boolean {
  return isLoopback(new URL(`http://${domain}`).hostname);
}

/**
 * Codes of errors that the wrong scheme may cause: a reset, a refused connection or an invalid message, but not a TLS
 * alert.
 */
const otherScheme = /^(?:ECONNRESET|ECONNREFUSED|EPIPE|EPROTO|HPE_|ERR_SSL_(?!.*ALERT_))/;

function mayBeOtherScheme(thrown: unknown): boolean {
  return otherScheme.test(errorCode(thrown) ?? '');
}

/** Codes of errors for a certificate that is not trusted. */
const untrusted = /^(?:ERR_TLS|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_)/;

/** Whether unverified TLS or plain http could succeed instead. */
function mayBeInsecure(thrown: unknown): boolean {
  return mayBeOtherScheme(thrown) || untrusted.test(errorCode(thrown) ?? '');
}

const MAX_BAD_REQUEST_BYTES = 64 * 1024;

/**
 * Reads the body of a 400 into memory. A TLS server answers a plain http request with 400, but a registry may do so
 * too. Therefore the other scheme is tried, and if that fails, this response is used.
 */
async function bufferResponse(response: HttpResponse): Promise<HttpResponse> {
  const bytes = await readBody(response, MAX_BAD_REQUEST_BYTES, 'the response').catch(() => new Uint8Array());
  return { ...response, body: bodyOf(bytes), discard: () => undefined };
}
