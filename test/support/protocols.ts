import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Authority, type Certificate } from './certificates.ts';

let inUse: { readonly certificate: Certificate; readonly caFile: string } | undefined;

/**
 * Lets the tests of a file run over HTTP/2: all scripted servers that they start without a certificate offer it, with a
 * certificate of `trustInUse`.
 * @returns removes the certificates, for `afterAll`
 */
export function useHttp2(): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'mlist-http2-'));
  const authority = new Authority(folder);
  inUse = { certificate: authority.sign('server'), caFile: authority.certificate.certFile };
  return () => rmSync(folder, { recursive: true });
}

/** The options of a scripted server. */
export function serverInUse(): {
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string };
  readonly http2?: boolean;
} {
  return inUse === undefined ? {} : { tls: inUse.certificate, http2: true };
}

/** The options of a session that trusts the scripted servers. */
export function trustInUse(): { readonly caFile?: string } {
  return inUse === undefined ? {} : { caFile: inUse.caFile };
}
