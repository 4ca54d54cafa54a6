import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Authority, type Certificate } from './certificates.ts';

/** Lets the tests of a file run over another protocol. */
let certificate: Certificate | undefined;

/**
 * All scripted servers that are started after this call offer HTTP/2 over TLS. Their certificate is not trusted, so only
 * hosts on this machine can be reached.
 */
export function useHttp2(): void {
  const folder = mkdtempSync(join(tmpdir(), 'mlist-http2-'));
  certificate = new Authority(folder).sign('server');
  rmSync(folder, { recursive: true });
}

/** The options of a scripted server for TLS and HTTP/2. */
export function certificateInUse(own: object | undefined): {
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string };
  readonly http2?: boolean;
} {
  return certificate === undefined || own !== undefined ? {} : { tls: certificate, http2: true };
}
