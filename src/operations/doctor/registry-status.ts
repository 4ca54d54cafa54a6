import { asMlistError, type MlistError } from '../../errors/errors.ts';
import type { CredentialsSource } from '../../store/registry/credentials/credentials.ts';
import type { ServerCertificate } from '../../store/registry/http/tls.ts';
import type { RegistryProbe } from '../../store/registry/probe.ts';
import type { RegistrySession } from '../../store/registry/session.ts';

/** The response of a registry to an anonymous request, with the login that would be used. */
export interface RegistryStatus extends Partial<RegistryProbe> {
  /** The registry, as references name it. */
  readonly registry: string;
  /** The certificate that the host has sent, even if it is not trusted. Undefined for http. */
  readonly certificate?: ServerCertificate | undefined;
  /** The file, variable or helper with the login that would be used. */
  readonly login?: string | undefined;
  /** False if it is not one of the allowed registries, so that no login was looked up. */
  readonly loginAllowed: boolean;
  readonly problems: readonly MlistError[];
}

/** With a larger clock skew, tokens and certificates may appear invalid. */
const MAX_SKEW_SECONDS = 60;

/**
 * Sends one request to the registry, and looks up the login for it, if it may receive one. Failures are reported as
 * `problems`.
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

/** Whether the clocks differ so much that tokens or certificates may appear invalid. */
export function isSkewed({ clockSkewSeconds = 0 }: RegistryStatus): boolean {
  return Math.abs(clockSkewSeconds) > MAX_SKEW_SECONDS;
}
