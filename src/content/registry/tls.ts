import { readFileSync } from 'node:fs';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { rootCertificates } from 'node:tls';
import { errorCode, MlistError } from '../../errors.ts';
import { isLoopback } from './origin.ts';
import type { Agents } from './transport.ts';

/** Whom a connection trusts, and how many there are. */
export interface AgentOptions {
  readonly hostname: string;
  readonly concurrency: number;
  readonly insecure: boolean;
  readonly caFile: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Connections that are kept open for the next request. A loopback registry needs no certificate that anybody signed. */
export function agentsFor({ hostname, concurrency, insecure, caFile, env }: AgentOptions): Agents {
  const common = { keepAlive: true, maxSockets: concurrency, scheduling: 'lifo' } as const;
  const verify = !insecure && (caFile !== undefined || !isLoopback(hostname));
  const ca = caFile === undefined ? undefined : [...rootCertificates, ...extraRoots(env), readPem(caFile)];
  return {
    http: new HttpAgent(common),
    https: new HttpsAgent({ ...common, rejectUnauthorized: verify, ...(ca === undefined ? {} : { ca }) }),
  };
}

/** A list of authorities of our own replaces Node's, those of NODE_EXTRA_CA_CERTS too: they are added again. */
function extraRoots(env: AgentOptions['env']): readonly string[] {
  const path = env['NODE_EXTRA_CA_CERTS'];
  return path ? [readPem(path)] : [];
}

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const code = errorCode(cause) === 'ENOENT' ? 'ERR_MLIST_NOT_FOUND' : 'ERR_MLIST_FILE';
    throw new MlistError(code, `cannot read the certificates in ${path}: ${errorCode(cause) ?? ''}`, { path, cause });
  }
}
