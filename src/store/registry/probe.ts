import { safeUrl } from '../../errors/redact.ts';
import { parseChallenges } from './auth/challenge.ts';
import { apiUrl } from './http/address.ts';
import type { Endpoint } from './http/endpoint.ts';
import type { HttpClient } from './http/http-client.ts';
import { connectionFailure } from './request-failure.ts';

/** The response of a registry to an anonymous request for `/v2/`. */
export interface RegistryProbe {
  /** The address that responded. */
  readonly url: string;
  /** The HTTP status. A registry responds with 200 or 401. */
  readonly status: number;
  /** Milliseconds from the start of the request to its response. */
  readonly milliseconds: number;
  /**
   * The authentication schemes that the registry requests, such as `bearer`, with the realm of each. Empty if the
   * registry requires no login. The strings come from the registry and are untrusted.
   */
  readonly authentication: readonly { readonly scheme: string; readonly realm?: string | undefined }[];
  /** Whether the certificate was verified. Undefined for http. */
  readonly verified?: boolean | undefined;
  /**
   * Seconds by which the clock of the registry is ahead of the clock of this machine. Undefined if the response has no
   * valid `Date` header.
   */
  readonly clockSkewSeconds?: number | undefined;
}

interface ProbeOptions {
  readonly domain: string;
  readonly endpoint: Endpoint;
  readonly client: HttpClient;
  /** Returns whether the server certificate is verified for an https URL. */
  readonly verifies: (url: URL) => Promise<boolean>;
  readonly signal?: AbortSignal | undefined;
}

const MAX_REALM = 300;

/**
 * Requests `/v2/` from each address of a registry until one responds. Does not follow redirects.
 * @throws MlistError `ERR_MLIST_NETWORK` or `ERR_MLIST_TIMEOUT` if no address responds; the reason of the signal if it
 * is aborted
 */
export async function probeRegistry({
  domain,
  endpoint,
  client,
  verifies,
  signal,
}: ProbeOptions): Promise<RegistryProbe> {
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
      verified: base.protocol === 'https:' ? !isUnverified && (await verifies(base)) : undefined,
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
 * Returns the clock skew in seconds; undefined if the `Date` header is missing or invalid. The header is truncated to
 * whole seconds, so half a second is added to it.
 */
function skewOf(date: string | undefined, now: number): number | undefined {
  const time = date === undefined ? Number.NaN : Date.parse(date);
  return Number.isNaN(time) ? undefined : Math.round((time + 500 - now) / 1000);
}
