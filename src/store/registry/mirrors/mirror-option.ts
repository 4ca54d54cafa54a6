import { MlistError } from '../../../errors/errors.ts';
import { parseReference } from '../../../oci/reference.ts';
import { parseMirrorAddress, type MirrorAddress, type RuleOrigin } from './mirror-endpoint.ts';

/** The mirrors of a registry that the user has named in `--mirror` or `MLIST_MIRRORS`. */
export interface NamedMirrors {
  readonly addresses: readonly MirrorAddress[];
  readonly origin: RuleOrigin;
}

/** The mirrors by the domain of the registry. */
export type MirrorsByRegistry = ReadonlyMap<string, NamedMirrors>;

/**
 * Parses `HOST=URL[,URL]`. A URL without a scheme gets https.
 * @param origin - `--mirror` or `MLIST_MIRRORS`, for messages
 * @throws MlistError `ERR_MLIST_USAGE`, which does not quote the URLs, since they may contain passwords
 */
export function parseMirrors(texts: readonly string[], origin: RuleOrigin): MirrorsByRegistry {
  const mirrors = new Map<string, NamedMirrors>();
  for (const text of texts) {
    const [host = '', ...rest] = text.split('=');
    const urls = rest.join('=').split(',');
    if (host === '' || urls.includes('')) throw invalid(origin, 'HOST=URL[,URL] is expected');
    const domain = domainOf(host, origin);
    const addresses = [...(mirrors.get(domain)?.addresses ?? []), ...urls.map((url) => addressOf(url, origin))];
    mirrors.set(domain, { addresses, origin });
  }
  return mirrors;
}

/** Parses `MLIST_MIRRORS`: the same as several `--mirror`, separated by white space. */
export function parseMirrorVariable(text: string): MirrorsByRegistry {
  return parseMirrors(
    text.split(/\s+/).filter((part) => part !== ''),
    'MLIST_MIRRORS',
  );
}

function domainOf(host: string, origin: RuleOrigin): string {
  try {
    const { domain, path } = parseReference(`${host}/x`);
    if (path === 'x' || (domain === 'docker.io' && path === 'library/x')) return domain;
  } catch {
    // The error is thrown below, because it names the option.
  }
  throw invalid(origin, `${JSON.stringify(host)} is not the host of a registry, such as docker.io`);
}

function addressOf(url: string, origin: RuleOrigin): MirrorAddress {
  const address = parseMirrorAddress(url.includes('://') ? url : `https://${url}`);
  if (typeof address === 'string') throw invalid(origin, address);
  return address;
}

function invalid(origin: RuleOrigin, reason: string): MlistError {
  return new MlistError('ERR_MLIST_USAGE', `${origin}: ${reason}`, {
    hint: 'For example: docker.io=https://mirror.example.com',
  });
}
