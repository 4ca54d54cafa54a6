import { errorCode } from '../../../errors/errors.ts';
import { isLoopback } from '../../hosts.ts';
import { apiHost } from './address.ts';
import { bodyOf, readBody, type HttpResponse } from './response.ts';
import { isUntrustedCertificate } from './tls-errors.ts';

export interface EndpointOptions {
  /** The registry, as it appears in references. */
  readonly domain: string;
  readonly plainHttp: boolean;
  readonly insecure: boolean;
  /**
   * Whether CA certificates are configured for the registry. If so, https is tried before http even if the registry is
   * on this machine.
   */
  readonly hasCertificates: () => boolean;
  /**
   * The scheme from a configuration file. Default: https, or http if `plainHttp` is set. For registries on this
   * machine, the default is to try both: http first, or https first if certificates are configured.
   */
  readonly scheme?: 'https' | 'http' | undefined;
  /** The path and the query of the API. Default `/v2`. */
  readonly api?: string | undefined;
  /** Whether requests may carry credentials if `scheme` is http. Default false. */
  readonly trustsHttp?: boolean | undefined;
  /**
   * Whether a configuration file permits plain http and unverified TLS for requests without credentials. Called only if
   * no other address responds.
   */
  readonly permitsInsecure?: (() => Promise<boolean>) | undefined;
}

/** An address of a registry's API, and how secure the connections to it are. */
export interface Address {
  readonly base: URL;
  /** Whether requests may carry credentials. */
  readonly isTrusted: boolean;
  /** Whether the address is tried only because `permitsInsecure` allows http and unverified TLS. */
  readonly isUnverified: boolean;
}

/**
 * Determines the address of a registry's API. The scheme is https or, if requested, http. For registries on this
 * machine, both are tried by default. For others, a fallback from https to http requires `insecure` or, for requests
 * without credentials, `permitsInsecure`. The first address that responds is used for all later requests.
 */
export class Endpoint {
  readonly #options: EndpointOptions;
  #candidates: readonly [Address, ...Address[]] | undefined;
  #reached: Address | undefined;

  constructor(options: EndpointOptions) {
    this.#options = options;
  }

  /** The address that has responded; before the first response, the address that is tried first. */
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

  /** Sends a request to the address that has responded before, or to each address until one responds. */
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
      // A verified address may have answered another request in the meantime. Requests carry credentials from then on,
      // so an unverified response must not determine where they are sent.
      if (this.#hasReachedTrusted()) second.response?.response.discard();
      else if (second.response !== undefined) return second.response;
    }
    throw failure ?? new Error('no address responded');
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
 * Error codes that may be caused by the wrong scheme: a reset, a refused connection or an invalid message, but not a
 * TLS alert.
 */
const otherScheme = /^(?:ECONNRESET|ECONNREFUSED|EPIPE|EPROTO|HPE_|ERR_SSL_(?!.*ALERT_))/;

function mayBeOtherScheme(thrown: unknown): boolean {
  return otherScheme.test(errorCode(thrown) ?? '');
}

/** Whether a request that has failed with this error might succeed over unverified TLS or plain http. */
function mayBeInsecure(thrown: unknown): boolean {
  return mayBeOtherScheme(thrown) || isUntrustedCertificate(thrown);
}

const MAX_BAD_REQUEST_BYTES = 64 * 1024;

/**
 * Reads the body of a 400 into memory. A TLS server answers a plain http request with 400, but a registry may also
 * answer 400 for other reasons. Therefore https is tried if it was not tried before, and this response is used only if
 * that fails.
 */
async function bufferResponse(response: HttpResponse): Promise<HttpResponse> {
  const bytes = await readBody(response, MAX_BAD_REQUEST_BYTES, 'the response').catch(() => new Uint8Array());
  return { ...response, body: bodyOf(bytes), discard: () => undefined };
}
