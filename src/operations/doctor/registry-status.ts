import { asMlistError, type MlistError } from '../../errors/errors.ts';
import type { CredentialsSource } from '../../store/registry/credentials/credentials.ts';
import type { ServerCertificate } from '../../store/registry/http/tls.ts';
import type { RegistryProbe } from '../../store/registry/probe.ts';
import type { RegistrySession } from '../../store/registry/session.ts';

/**
 * The response of a registry to an anonymous request, and the source of the credentials that commands would send to it.
 */
export interface RegistryStatus extends Partial<RegistryProbe> {
  /** The registry host as used in references. */
  readonly registry: string;
  /**
   * The certificate of the host, even if it is not trusted. Undefined if the host uses http, or if no TLS connection
   * can be opened.
   */
  readonly certificate?: ServerCertificate | undefined;
  /** The file, variable or helper that has the credentials; undefined if none were found. */
  readonly login?: string | undefined;
  /** Whether mlist may send the registry its credentials. If false, they were not looked up. */
  readonly loginAllowed: boolean;
  readonly problems: readonly MlistError[];
}

/** With a larger clock skew, tokens and certificates may appear invalid. */
const MAX_SKEW_SECONDS = 60;

/**
 * Probes the registry, reads its certificate, and looks up its credentials if it may receive them.
 * Failures are returned as `problems`.
 */
export async function reachRegistry(
  registry: string,
  registries: RegistrySession,
  credentials: CredentialsSource,
  signal: AbortSignal,
): Promise<RegistryStatus> {
  const problems: MlistError[] = [];
  const collect = (thrown: unknown): undefined => {
    signal.throwIfAborted();
    problems.push(asMlistError(thrown));
  };
  const loginAllowed = registries.allowsLogin(registry);
  const [probe, found] = await Promise.all([
    registries.probe(registry, signal).catch(collect),
    loginAllowed ? credentials(registry).catch(collect) : undefined,
  ]);
  const isHttp = probe !== undefined && probe.verified === undefined;
  // If no TLS connection can be opened, `problems` already has the reason.
  const certificate = isHttp ? undefined : await registries.certificate(registry).catch(() => undefined);
  return { registry, ...probe, certificate, login: found?.place, loginAllowed, problems };
}

/** Whether this machine's clock differs so much from the registry's that tokens or certificates may appear invalid. */
export function isSkewed({ clockSkewSeconds = 0 }: RegistryStatus): boolean {
  return Math.abs(clockSkewSeconds) > MAX_SKEW_SECONDS;
}
