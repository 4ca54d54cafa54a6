import { errorCode } from '../../errors.ts';
import { apiHost, isLoopback } from './origin.ts';
import { only, readAnswer, type Answer } from './answer.ts';

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
  async reach(send: (base: URL) => Promise<Answer>): Promise<{ readonly base: URL; readonly answer: Answer }> {
    if (this.#settled !== undefined) return { base: this.#settled, answer: await send(this.#settled) };
    let failure: Error | undefined;
    for (const base of this.#choices()) {
      try {
        const answer = await withoutTlsHint(await send(base));
        if (answer !== undefined) {
          this.#settled ??= base;
          return { base, answer };
        }
      } catch (thrown) {
        failure ??= thrown as Error;
        if (!mayBeOtherScheme(thrown)) throw thrown;
      }
    }
    throw failure ?? new Error('no address answers');
  }
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

const LONGEST_HINT = 200;

/** Go's TLS servers answer a plain request with 400 and a short text: undefined then, else the same answer. */
async function withoutTlsHint(answer: Answer): Promise<Answer | undefined> {
  const isShortText =
    answer.status === 400 &&
    answer.headers['content-type']?.startsWith('text/plain') === true &&
    Number(answer.headers['content-length'] ?? LONGEST_HINT) <= LONGEST_HINT;
  if (!isShortText) return answer;
  const text = await readAnswer(answer, LONGEST_HINT, 'the answer');
  return Buffer.from(text).includes('HTTPS server') ? undefined : { ...answer, body: only(text) };
}
