import { safeUrl } from '../../errors/redact.ts';
import { parseChallenges } from './auth/challenge.ts';
import { apiUrl } from './http/address.ts';
import type { Endpoint } from './http/endpoint.ts';
import type { HttpClient } from './http/http-client.ts';
import { connectionFailure } from './request-failure.ts';

/** The answer of a registry to an anonymous request for `/v2/`. */
export interface RegistryProbe {
  /** The address that answered. */
  readonly url: string;
  /** 200 or 401 if it is a registry. */
  readonly status: number;
  /** Milliseconds until the response. */
  readonly milliseconds: number;
  /** How the registry wants clients to log in, such as `bearer`; empty if it requires no login. Untrusted texts. */
  readonly authentication: readonly { readonly scheme: string; readonly realm?: string | undefined }[];
  /** Whether the certificate was verified. Undefined for http. */
  readonly verified?: boolean | undefined;
  /** Seconds by which the clock of the registry is ahead of this machine's; undefined if it states no time. */
  readonly clockSkewSeconds?: number | undefined;
}

interface ProbeOptions {
  readonly domain: string;
  readonly endpoint: Endpoint;
  readonly client: HttpClient;
  readonly signal?: AbortSignal | undefined;
}

const MAX_REALM = 300;

/** Sends one request to each address of a registry until one answers. Redirects are not followed. */
export async function probeRegistry({ domain, endpoint, client, signal }: ProbeOptions): Promise<RegistryProbe> {
  const started = Date.now();
  try {
    const { base, isUnverified, response } = await endpoint.tryAddresses((address) =>
      client.send({
        method: 'GET',
        url: apiUrl('/v2/', address.base),
        headers: {},
        isUnverified: address.isUnverified,
        signal,
      }),
    );
    response.discard();
    const ended = Date.now();
    const { status, headers } = response;
    return {
      url: safeUrl(base),
      status,
      milliseconds: ended - started,
      authentication: parseChallenges(headers['www-authenticate'] ?? '').map(({ scheme, parameters }) => ({
        scheme,
        realm: realmText(parameters['realm']),
      })),
      verified: base.protocol === 'https:' ? !isUnverified : undefined,
      clockSkewSeconds: skewOf(headers['date'], (started + ended) / 2),
    };
  } catch (thrown) {
    client.signals.throwIfAborted(signal);
    throw connectionFailure({ what: 'reach', reference: domain }, endpoint.base.host, thrown);
  }
}

function realmText(realm: string | undefined): string | undefined {
  if (realm === undefined) return undefined;
  return (URL.canParse(realm) ? safeUrl(new URL(realm)) : realm).slice(0, MAX_REALM);
}

/**
 * The clock skew in seconds; undefined without a valid `Date` header. That header has whole seconds, so half a second
 * is added.
 */
function skewOf(date: string | undefined, now: number): number | undefined {
  const time = date === undefined ? Number.NaN : Date.parse(date);
  return Number.isNaN(time) ? undefined : Math.round((time + 500 - now) / 1000);
}
