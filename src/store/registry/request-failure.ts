import { errorCode, errorMessage, MlistError, type Diagnostic, type ErrorCode } from '../../errors/errors.ts';
import type { Remedy } from '../../errors/remedy.ts';
import { digestsIn } from '../../oci/digest.ts';
import type { Authorization } from './auth/auth.ts';
import { parseChallenges } from './auth/challenge.ts';
import { loginText, refusedLoginHint } from './credentials/credentials.ts';
import { apiHost } from './http/address.ts';
import { ProxyFailure } from './http/proxy.ts';
import { isTimeout, waitText } from './http/retry.ts';
import type { Step } from '../../async/pending.ts';
import { describeDiagnostic, namesUnknownContent, readRegistryError } from './registry-error.ts';
import type { Scope } from './auth/scope.ts';
import type { SecretRedactor } from '../../errors/redact.ts';

/** Creates the errors for failed requests. They name the step, the reference and the reason. */

export interface FailedResponse {
  readonly status: number;
  readonly body: Uint8Array;
  readonly host: string;
  /** The address that sent the response. It differs from the registry after a redirect. */
  readonly location: URL;
  /** The `Retry-After` of the response. */
  readonly retryAfterMs: number | undefined;
  /** The login that the request was sent with. */
  readonly sent: Authorization;
  /** The scopes that the request needs. */
  readonly scopes: readonly Scope[];
  /** The `WWW-Authenticate` header of the response. */
  readonly challenge: string | undefined;
  /** Whether the request uploads a blob or writes a manifest. */
  readonly isWrite: boolean;
  /** Whether the request had a condition, which may fail with 412. */
  readonly hasCondition: boolean;
}

/** The error for a response whose status is not accepted. */
export function responseFailure(step: Step, response: FailedResponse, secrets: SecretRedactor): MlistError {
  // After a redirect to another host, the response is not that of the registry, so the error does not quote it.
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

/** Maximum number of digests from a response that an error contains. */
const MAX_DIGESTS = 10;

/** Describes the last response to a pending step, such as `HTTP 503 with Retry-After 30 s`. */
export function describeStatus(status: number, retryAfterMs: number | undefined): string {
  if (retryAfterMs === undefined) return `HTTP ${status}`;
  return `HTTP ${status} with Retry-After ${Math.ceil(retryAfterMs / 1000)} s`;
}

/** Describes the last attempt at a pending step that got no response, such as `none, ECONNRESET`. */
export function describeNoResponse(thrown: unknown): string {
  const code = errorCode(thrown);
  return code === undefined ? 'none' : `none, ${code}`;
}

/** The registry of a host, as references and `mlist login` name it. */
function registryName(host: string): string {
  return host === apiHost('docker.io') ? 'docker.io' : host;
}

/** Explains a 401 or 403: what has refused the request, and with which login it was sent. */
function explainRefusal(response: FailedResponse): Explanation {
  const { status, host, sent } = response;
  const registry = registryName(host);
  const { hasLogin = false, place } = sent;
  const code = 'ERR_MLIST_UNAUTHORIZED';
  const login = loginText(host, place);
  if (status === 403) {
    const reason = hasLogin ? `${host} denies access with ${login}` : `${host} denies anonymous access`;
    const hint = hasLogin
      ? 'Check the permissions of the account on this repository.'
      : `Log in with "mlist login ${registry}".`;
    return { code, reason, hint };
  }
  if (lacksAccess(response)) {
    const [other, hint] = hasLogin
      ? [`${login} does not give access to it`, 'Check the spelling and the permissions of the account.']
      : ['it is private', `Check the spelling, or log in with "mlist login ${registry}".`];
    return { code, reason: `there is no such repository on ${host}, or ${other}`, hint };
  }
  if (hasLogin) return { code, reason: `${host} does not accept ${login}`, hint: refusedLoginHint(registry, place) };
  const hint = `Log in with "mlist login ${registry}"; a missing repository may look like this too.`;
  return { code, reason: `${host} requires a login`, hint };
}

/**
 * Whether the registry has refused a valid token because it lacks access. A token service also issues tokens for
 * repositories that are private or do not exist, for which the registry then answers 401. An anonymous write is always
 * refused, so it does not count.
 */
function lacksAccess({ sent, scopes, challenge = '' }: FailedResponse): boolean {
  if (sent.cachedToken === undefined || scopes.length === 0) return false;
  if (parseChallenges(challenge).some(({ parameters }) => parameters['error'] === 'invalid_token')) return false;
  return sent.hasLogin === true || scopes.every(({ actions }) => actions.every((action) => action === 'pull'));
}

function missingContent(host: string): Omit<Explanation, 'code'> {
  return { reason: `${host} does not have it`, hint: 'Check the spelling, and that it was pushed.' };
}

/** Explains a 404 to a write: the repository, the upload or content that a manifest refers to is missing. */
function missingTarget(host: string, diagnostics: readonly Diagnostic[]): Omit<Explanation, 'code'> {
  const codes = new Set(diagnostics.map(({ code }) => code));
  if (codes.has('BLOB_UPLOAD_UNKNOWN')) return { reason: `${host} no longer knows the upload` };
  if (namesUnknownContent(diagnostics)) return { reason: `${host} lacks content that the manifest refers to` };
  return {
    reason: `${host} has no such repository to write to`,
    hint: 'Create the project or repository at the registry first, or check the spelling of the target.',
  };
}

/** Whether a quota is exceeded, which Harbor and others report with 403. */
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
      reason: `${host} redirects to ${location.host}, which refuses it`,
    };
  }
  if (status === 403 && isOutOfSpace(diagnostics)) {
    const hint = 'Free space at the registry, or ask for a larger quota.';
    return { code: 'ERR_MLIST_UNAUTHORIZED', reason: `${host} refuses it for lack of space`, hint };
  }
  if (status === 401 || status === 403) return explainRefusal(response);
  if (status === 404)
    return { code: 'ERR_MLIST_NOT_FOUND', ...(isWrite ? missingTarget : missingContent)(host, diagnostics) };
  if (status === 412 && hasCondition)
    return {
      code: 'ERR_MLIST_CONFLICT',
      reason: `it has changed on ${host} in the meantime`,
      hint: 'Inspect its current content, then try again.',
    };
  const later = retryAfterMs === undefined ? '' : ` and asks to wait for ${waitText(retryAfterMs)}`;
  if (status === 429 || diagnostics.some(({ code }) => code === 'TOOMANYREQUESTS')) {
    return {
      code: 'ERR_MLIST_REGISTRY',
      reason: `${host} limits the rate of requests${later}`,
      hint: 'Try later, or log in for a higher limit.',
    };
  }
  if (status >= 500)
    return { code: 'ERR_MLIST_REGISTRY', reason: `${host} reports a server error${later}`, hint: 'Try again later.' };
  if (status === 413)
    return {
      code: 'ERR_MLIST_REGISTRY',
      reason: `${host} limits the size of a request`,
      hint: 'Raise the limit of the registry, or of the proxy in front of it, such as client_max_body_size of nginx.',
    };
  if (isWrite && diagnostics.some(({ message }) => /\bimmutable\b|\bimmutability\b/i.test(message)))
    return {
      code: 'ERR_MLIST_REGISTRY',
      reason: `${host} does not allow the tag to be overwritten`,
      hint: 'Push to a new tag, or change the rule for immutable tags at the registry.',
    };
  return { code: 'ERR_MLIST_REGISTRY', reason: `${host} refuses it` };
}

/** Codes of errors with which a server ends the handshake because the client certificate is missing or not accepted. */
const clientRefused =
  /^ERR_SSL_.*ALERT_(?:CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE|ACCESS_DENIED)/;
/** Codes of errors for a response that is not TLS, such as that of a registry that serves plain http. */
const plainServer = /^(?:EPROTO$|ERR_SSL_(?:WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST))/;
const untrustedServer = /^(?:ERR_TLS|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_SSL)/;

const PROXY_HINT = 'Check the address of the proxy in HTTPS_PROXY or HTTP_PROXY.';

/** The error for a request without a complete response. */
export function connectionFailure(step: Step, registryHost: string, thrown: unknown): MlistError {
  if (thrown instanceof MlistError) return withReference(step, thrown);
  const isProxy = thrown instanceof ProxyFailure;
  const host = isProxy ? `the proxy ${thrown.proxy}` : registryHost;
  const code = errorCode(thrown) ?? '';
  const facts = { reference: step.reference, cause: thrown };
  const prefix = `cannot ${step.what} ${step.reference}`;
  if (isTimeout(thrown)) {
    return new MlistError('ERR_MLIST_TIMEOUT', `${prefix}: ${host} does not answer in time`, {
      ...facts,
      remedy: unreachableRemedy(step, host) ?? { kind: 'more-time' },
    });
  }
  if (clientRefused.test(code)) {
    return new MlistError('ERR_MLIST_NETWORK', `${prefix}: ${host} refuses the TLS handshake (${code})`, {
      ...facts,
      hint: 'It may require a client certificate: put NAME.cert and NAME.key into certs.d/HOST.',
    });
  }
  if (plainServer.test(code)) {
    return new MlistError('ERR_MLIST_NETWORK', `${prefix}: ${host} does not speak TLS here (${code})`, {
      ...facts,
      ...(isProxy ? { hint: PROXY_HINT } : { remedy: { kind: 'plain-http', host } }),
    });
  }
  if (untrustedServer.test(code)) {
    return new MlistError('ERR_MLIST_NETWORK', `${prefix}: the certificate of ${host} is not trusted (${code})`, {
      ...facts,
      remedy: { kind: 'trust-certificate', host },
    });
  }
  const remedy = code.startsWith('HTTP2_') ? ({ kind: 'http1' } as const) : unreachableRemedy(step, host);
  const hint = isProxy ? PROXY_HINT : unreachableHints[code];
  const nextStep = remedy === undefined ? { hint } : { remedy };
  return new MlistError('ERR_MLIST_NETWORK', `${prefix}: ${networkReason(host, code, thrown)}`, {
    ...facts,
    ...nextStep,
  });
}

/**
 * Suggests a mirror if a read from Docker Hub fails, because networks that block Docker Hub usually have mirrors of it.
 */
function unreachableRemedy({ what }: Step, host: string): Remedy | undefined {
  if (what !== 'read' || host !== apiHost('docker.io')) return undefined;
  return { kind: 'mirror', registry: 'docker.io' };
}

/** Adds the step to errors of redirects, addresses and token services, which do not name the reference. */
export function withReference<Thrown>({ what, reference }: Step, error: Thrown): Thrown | MlistError {
  if (!(error instanceof MlistError)) return error;
  const { code, message, facts } = error;
  const isKnown = facts.reference !== undefined || message.includes(reference);
  if (isKnown || (code !== 'ERR_MLIST_REGISTRY' && code !== 'ERR_MLIST_FORBIDDEN_ADDRESS')) return error;
  return new MlistError(code, `cannot ${what} ${reference}: ${message}`, { ...facts, reference });
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refuses the connection',
  ECONNRESET: 'broke the connection',
  EPIPE: 'broke the connection',
  ENOTFOUND: 'is not a host name that can be resolved',
  EAI_AGAIN: 'cannot be resolved at the moment',
  EHOSTUNREACH: 'cannot be reached',
  ENETUNREACH: 'cannot be reached',
  HTTP_101: 'switches to another protocol',
  HTTP2_UNPROCESSED: 'refuses to process requests over HTTP/2',
  HTTP2_PROTOCOL: 'violates the protocol of HTTP/2',
  HPE_HEADER_OVERFLOW: 'sent headers that are too large',
};

const unreachableHints: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'Check the host and the port, and that the registry is running.',
  ENOTFOUND: 'Check the spelling of the host, and the DNS settings of this machine.',
};

function networkReason(host: string, code: string, thrown: unknown): string {
  if (code === 'EPROXY') return errorMessage(thrown);
  const reason = reasons[code] ?? (code.startsWith('HPE_') ? 'does not answer with HTTP' : undefined);
  return reason === undefined
    ? `${host}: ${code || errorMessage(thrown).slice(0, 200)}`
    : `${host} ${reason} (${code})`;
}
