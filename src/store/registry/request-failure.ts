import {
  errorCode,
  errorMessage,
  MlistError,
  type Diagnostic,
  type ErrorCode,
  type NextStep,
} from '../../errors/errors.ts';
import type { Remedy } from '../../errors/remedy.ts';
import { digestsIn } from '../../oci/digest.ts';
import type { Authorization } from './auth/auth.ts';
import { parseChallenges } from './auth/challenge.ts';
import { loginText, refusedLoginHint } from './credentials/credentials.ts';
import { apiHost } from './http/address.ts';
import { ProxyFailure } from './http/proxy.ts';
import { RedirectFailure } from './http/redirect.ts';
import { isTimeout, waitText } from './http/retry.ts';
import { isTlsError, isUntrustedCertificate } from './http/tls-errors.ts';
import type { Step } from '../../async/pending.ts';
import { describeDiagnostic, namesUnknownContent, readRegistryError } from './registry-error.ts';
import type { Scope } from './auth/scope.ts';
import type { SecretRedactor } from '../../errors/redact.ts';

/** This module creates the errors for failed requests. Each message has the step, the reference and the reason. */

export interface FailedResponse {
  readonly status: number;
  readonly body: Uint8Array;
  readonly host: string;
  /** The address that sent the response. After a redirect, its host may differ from `host`. */
  readonly location: URL;
  /** The wait in the `Retry-After` header, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** The authorization that the request was sent with. */
  readonly sent: Authorization;
  /** The scopes that the request needs. */
  readonly scopes: readonly Scope[];
  /** The `WWW-Authenticate` header of the response. */
  readonly challenge: string | undefined;
  /** Whether the request uploads or mounts a blob, or writes a manifest. */
  readonly isWrite: boolean;
  /** Whether the request had a condition. If the condition fails, the registry answers 412. */
  readonly hasCondition: boolean;
}

/** Creates the error for a response whose status is not accepted. */
export function responseFailure(step: Step, response: FailedResponse, secrets: SecretRedactor): MlistError {
  // After a redirect, the response may come from another host. Its body is not quoted, because it is not an error of
  // the registry.
  const isOwn = response.location.host === response.host;
  const diagnostics = isOwn ? readRegistryError(response.body, (text) => secrets.redact(text, response.location)) : [];
  const reported = diagnostics.map(describeDiagnostic).join('; ');
  const { code, reason, hint } = explain(response, diagnostics);
  const facts = [`HTTP ${response.status}`, reported].filter((fact) => fact !== '').join(', ');
  return new MlistError(code, `cannot ${step.what} ${step.reference}: ${reason} (${facts})`, {
    reference: step.reference,
    status: response.status,
    retryAfterMs: response.retryAfterMs,
    diagnostics,
    digests: isOwn ? [...digestsIn(response.body)].slice(0, MAX_DIGESTS) : [],
    hint,
  });
}

/** Maximum number of digests that an error copies from a response. */
const MAX_DIGESTS = 10;

/** Describes the last response to a pending step, such as `HTTP 503, Retry-After: 30 s`. */
export function describeStatus(status: number, retryAfterMs: number | undefined): string {
  if (retryAfterMs === undefined) return `HTTP ${status}`;
  return `HTTP ${status}, Retry-After: ${Math.ceil(retryAfterMs / 1000)} s`;
}

/** Describes the last attempt at a pending step that got no response, such as `none, ECONNRESET`. */
export function describeNoResponse(thrown: unknown): string {
  const code = errorCode(thrown);
  return code === undefined ? 'none' : `none, ${code}`;
}

/** Returns the name of a registry for `mlist login`, from the host of its API. */
function registryName(host: string): string {
  return host === apiHost('docker.io') ? 'docker.io' : host;
}

/** Explains a 401 or 403. The reason and the hint depend on whether the request was sent with credentials. */
function explainRefusal(response: FailedResponse): Explanation {
  const { status, host, sent } = response;
  const registry = registryName(host);
  const { hasLogin = false, place } = sent;
  const code = 'ERR_MLIST_UNAUTHORIZED';
  const login = loginText(host, place);
  if (status === 403) {
    const reason = hasLogin ? `${host} denies access with ${login}` : `${host} denies anonymous access`;
    const hint = hasLogin
      ? 'Check whether the account has permission for this repository.'
      : `Log in with "mlist login ${registry}".`;
    return { code, reason, hint };
  }
  if (lacksAccess(response)) {
    const [other, hint] = hasLogin
      ? [
          `${login} do not give access to it`,
          'Check the spelling of the repository and the permissions of the account.',
        ]
      : ['it is private', `Check the spelling of the repository, or log in with "mlist login ${registry}".`];
    return { code, reason: `there is no such repository on ${host}, or ${other}`, hint };
  }
  if (hasLogin) return { code, reason: `${host} does not accept ${login}`, hint: refusedLoginHint(registry, place) };
  const hint = `Log in with "mlist login ${registry}". Some registries report a missing repository in the same way.`;
  return { code, reason: `${host} requires a login`, hint };
}

/**
 * Whether the registry has refused a valid token that does not permit the request. Token services also issue tokens for
 * private and missing repositories, and the registry then answers 401. Returns false for anonymous writes, because
 * writing usually requires a login.
 */
function lacksAccess({ sent, scopes, challenge = '' }: FailedResponse): boolean {
  if (sent.cachedToken === undefined || scopes.length === 0) return false;
  if (parseChallenges(challenge).some(({ parameters }) => parameters['error'] === 'invalid_token')) return false;
  return sent.hasLogin === true || scopes.every(({ actions }) => actions.every((action) => action === 'pull'));
}

function missingContent(host: string): Omit<Explanation, 'code'> {
  return {
    reason: `${host} does not have it`,
    hint: 'Check the spelling of the reference, and that the content was pushed.',
  };
}

/**
 * Explains a 404 in response to a write: the repository, the upload, or content that a manifest refers to is missing.
 */
function missingTarget(host: string, diagnostics: readonly Diagnostic[]): Omit<Explanation, 'code'> {
  const codes = new Set(diagnostics.map(({ code }) => code));
  if (codes.has('BLOB_UPLOAD_UNKNOWN')) return { reason: `the upload no longer exists on ${host}` };
  if (namesUnknownContent(diagnostics)) return { reason: `${host} lacks content that the manifest refers to` };
  return {
    reason: `the repository does not exist on ${host}`,
    hint: 'Create the project or repository in the registry first, or check the spelling of the target.',
  };
}

/** Whether the errors report that a storage quota is exceeded. Harbor and other registries report this with 403. */
function isOutOfSpace(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some(({ message }) =>
    /\bquota\b|storage resource|insufficient storage|upper limit/i.test(message),
  );
}

interface Explanation {
  readonly code: ErrorCode;
  readonly reason: string;
  readonly hint?: string;
}

function explain(response: FailedResponse, diagnostics: readonly Diagnostic[]): Explanation {
  const { status, host, location, retryAfterMs, isWrite, hasCondition } = response;
  if (location.host !== host && status >= 400 && status < 500) {
    return {
      code: status === 404 ? 'ERR_MLIST_NOT_FOUND' : 'ERR_MLIST_REGISTRY',
      reason: `${host} redirected the request to ${location.host}, and that host refused it`,
    };
  }
  if (status === 403 && isOutOfSpace(diagnostics)) {
    const hint = 'Free space in the registry, or ask for a larger quota.';
    return { code: 'ERR_MLIST_UNAUTHORIZED', reason: `${host} refused it for lack of space`, hint };
  }
  if (status === 401 || status === 403) return explainRefusal(response);
  if (status === 404)
    return { code: 'ERR_MLIST_NOT_FOUND', ...(isWrite ? missingTarget : missingContent)(host, diagnostics) };
  if (status === 412 && hasCondition)
    return {
      code: 'ERR_MLIST_CONFLICT',
      reason: `it has changed on ${host} in the meantime`,
      hint: 'Inspect the current content of the tag before you try again.',
    };
  const later = retryAfterMs === undefined ? '' : ` and asks clients to wait ${waitText(retryAfterMs)}`;
  if (status === 429 || diagnostics.some(({ code }) => code === 'TOOMANYREQUESTS')) {
    return {
      code: 'ERR_MLIST_REGISTRY',
      reason: `${host} limits the rate of requests${later}`,
      hint: 'Try again later. Many registries have a higher limit for users who are logged in.',
    };
  }
  if (status >= 500)
    return { code: 'ERR_MLIST_REGISTRY', reason: `${host} reported a server error${later}`, hint: 'Try again later.' };
  if (status === 413)
    return {
      code: 'ERR_MLIST_REGISTRY',
      reason: `the request is too large for ${host}`,
      hint: 'Raise the size limit of the registry or of the proxy in front of it, for example client_max_body_size in nginx.',
    };
  if (isWrite && diagnostics.some(({ message }) => /\bimmutable\b|\bimmutability\b/i.test(message)))
    return {
      code: 'ERR_MLIST_REGISTRY',
      reason: `${host} does not allow the tag to be overwritten`,
      hint: 'Push to a new tag, or change the rule for immutable tags in the registry.',
    };
  return { code: 'ERR_MLIST_REGISTRY', reason: `${host} refused it` };
}

/** Error codes for the TLS alerts that servers send if the client certificate is missing or not accepted. */
const clientRefused =
  /^ERR_SSL_.*ALERT_(?:(?:BAD_|UNSUPPORTED_)?CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE|ACCESS_DENIED)/;
/** Error codes for a response that is not TLS, for example from a registry that serves plain http. */
const plainServer = /^ERR_SSL_(?:WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST)/;
/** Error codes for a server that supports no TLS version that Node supports. */
const versionMismatch = /^ERR_SSL_(?:.*ALERT_PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL)/;

/** Reasons and hints, keyed by error code, for certificates that are invalid even if their CA is trusted. */
const invalidCertificates: Readonly<Record<string, { readonly reason: string; readonly hint: string }>> = {
  CERT_HAS_EXPIRED: { reason: 'has expired', hint: 'Renew the certificate, or check the clock of this machine.' },
  CERT_NOT_YET_VALID: { reason: 'is not valid yet', hint: 'Check the clock of this machine.' },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    reason: 'is not valid for this host name',
    hint: 'Use a host name from the certificate, or issue a certificate for this host name.',
  },
};

const PROXY_HINT = 'Check the address of the proxy in HTTPS_PROXY or HTTP_PROXY.';

/** Creates the error for a request without a complete response. Passes an `MlistError` to `withReference` instead. */
export function connectionFailure(step: Step, registryHost: string, thrown: unknown): MlistError {
  if (thrown instanceof MlistError) return withReference(step, thrown);
  const isProxy = thrown instanceof ProxyFailure;
  const isRedirected = thrown instanceof RedirectFailure;
  const host = isProxy ? `the proxy ${thrown.host}` : isRedirected ? thrown.host : registryHost;
  const code = errorCode(thrown) ?? '';
  const fail = (reason: string, nextStep: NextStep, kind: ErrorCode = 'ERR_MLIST_NETWORK') =>
    new MlistError(kind, `cannot ${step.what} ${step.reference}: ${reason}`, {
      reference: step.reference,
      cause: thrown,
      ...nextStep,
    });
  const mirror = isProxy ? undefined : mirrorRemedy(step, registryHost);
  if (isTimeout(thrown)) {
    return fail(`${host} did not respond in time`, { remedy: mirror ?? { kind: 'more-time' } }, 'ERR_MLIST_TIMEOUT');
  }
  if (clientRefused.test(code)) {
    return fail(`${host} refused the TLS handshake (${code})`, {
      hint: 'The server may require a client certificate: put NAME.cert and NAME.key into certs.d/HOST.',
    });
  }
  if (plainServer.test(code)) {
    const nextStep = isProxy
      ? { hint: PROXY_HINT }
      : isRedirected
        ? {}
        : { remedy: { kind: 'plain-http', host } as const };
    return fail(`${host} did not respond with TLS (${code})`, nextStep);
  }
  if (isUntrustedCertificate(thrown)) {
    const { reason = 'is not trusted', hint } = invalidCertificates[code] ?? {};
    const nextStep = hint === undefined ? { remedy: { kind: 'trust-certificate', host } as const } : { hint };
    return fail(`the certificate of ${host} ${reason} (${code})`, nextStep);
  }
  if (isTlsError(thrown)) {
    const hint = 'The server may support only old TLS versions. mlist requires TLS 1.2 or later.';
    return fail(`the TLS connection to ${host} failed (${code})`, versionMismatch.test(code) ? { hint } : {});
  }
  const remedy = code.startsWith('HTTP2_') ? ({ kind: 'http1' } as const) : mirror;
  const hint = isProxy ? PROXY_HINT : unreachableHints[code];
  return fail(networkReason(host, code, thrown), remedy === undefined ? { hint } : { remedy });
}

/** Suggests a mirror if a read from Docker Hub fails. Some networks block Docker Hub, but provide a mirror of it. */
function mirrorRemedy({ what }: Step, host: string): Remedy | undefined {
  if (what !== 'read' || host !== apiHost('docker.io')) return undefined;
  return { kind: 'mirror', registry: 'docker.io' };
}

/**
 * Adds the step and the reference to an `ERR_MLIST_REGISTRY` or `ERR_MLIST_FORBIDDEN_ADDRESS` that has no reference,
 * such as the error for a forbidden redirect. Returns any other error unchanged.
 */
export function withReference<Thrown>({ what, reference }: Step, error: Thrown): Thrown | MlistError {
  if (!(error instanceof MlistError)) return error;
  const { code, message, facts } = error;
  const isKnown = facts.reference !== undefined || message.includes(reference);
  if (isKnown || (code !== 'ERR_MLIST_REGISTRY' && code !== 'ERR_MLIST_FORBIDDEN_ADDRESS')) return error;
  return new MlistError(code, `cannot ${what} ${reference}: ${message}`, { ...facts, reference });
}

/** Reasons, keyed by error code. In messages, they follow the name of the host. */
const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused the connection',
  ECONNRESET: 'closed the connection unexpectedly',
  EPIPE: 'closed the connection unexpectedly',
  ENOTFOUND: 'cannot be resolved: no such host',
  EAI_AGAIN: 'cannot be resolved at the moment',
  EHOSTUNREACH: 'cannot be reached',
  ENETUNREACH: 'cannot be reached',
  HTTP_101: 'unexpectedly switched to another protocol',
  HTTP2_UNPROCESSED: 'did not process the request over HTTP/2',
  HTTP2_PROTOCOL: 'violated the HTTP/2 protocol',
  HPE_HEADER_OVERFLOW: 'sent headers that are too large',
};

const unreachableHints: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'Check the host and the port, and that the registry is running.',
  ENOTFOUND: 'Check the spelling of the host, and the DNS settings of this machine.',
};

function networkReason(host: string, code: string, thrown: unknown): string {
  if (code === 'EPROXY') return errorMessage(thrown);
  const reason = reasons[code] ?? (code.startsWith('HPE_') ? 'sent an invalid HTTP response' : undefined);
  return reason === undefined
    ? `the request to ${host} failed (${code || errorMessage(thrown).slice(0, 200)})`
    : `${host} ${reason} (${code})`;
}
