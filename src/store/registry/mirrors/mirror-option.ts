import { MlistError } from '../../../errors/errors.ts';
import { parseReference } from '../../../oci/reference.ts';
import { parseMirrorAddress, type MirrorAddress, type RuleOrigin } from './mirror-endpoint.ts';

/** The mirrors of one registry, from `--mirror` or `MLIST_MIRRORS`. */
export interface NamedMirrors {
  readonly addresses: readonly MirrorAddress[];
  readonly origin: RuleOrigin;
}

/** The mirrors of all registries, keyed by the domain of the registry. */
export type MirrorsByRegistry = ReadonlyMap<string, NamedMirrors>;

/**
 * Parses values of the form `HOST=URL[,URL]`. The default scheme of a URL is https.
 * @param origin - `--mirror` or `MLIST_MIRRORS`, for messages
 * @throws MlistError `ERR_MLIST_USAGE` if a value is invalid; the message does not quote URLs, since they may contain
 * passwords
 */
export function parseMirrors(texts: readonly string[], origin: RuleOrigin): MirrorsByRegistry {
  const mirrors = new Map<string, NamedMirrors>();
  for (const text of texts) {
    const [host = '', ...rest] = text.split('=');
    const urls = rest.join('=').split(',');
    if (host === '' || urls.includes('')) throw invalid(origin, 'the value must have the form HOST=URL[,URL]');
    const domain = domainOf(host, origin);
    const addresses = [...(mirrors.get(domain)?.addresses ?? []), ...urls.map((url) => addressOf(url, origin))];
    mirrors.set(domain, { addresses, origin });
  }
  return mirrors;
}

/** Parses `MLIST_MIRRORS`: values of `--mirror`, separated by whitespace. */
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
    // The error below is thrown instead, because it contains the name of the option or variable.
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
