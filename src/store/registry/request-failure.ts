import { errorCode, errorMessage, MlistError, type Diagnostic, type ErrorCode } from '../../errors/errors.ts';
import { digestsIn } from '../../oci/digest.ts';
import type { Authorization } from './auth/auth.ts';
import { parseChallenges } from './auth/challenge.ts';
import { loginText, refusedLoginHint } from './credentials/credentials.ts';
import { waitText } from './http/retry.ts';
import type { Step } from '../../async/pending.ts';
import { describeDiagnostic, namesUnknownContent, readRegistryError } from './registry-error.ts';
import type { Scope } from './auth/scope.ts';
import type { SecretRedactor } from '../../errors/redact.ts';

/** Turns what went wrong on the wire into errors that name the step, the reference and the cause. */

export interface FailedResponse {
  readonly status: number;
  readonly body: Uint8Array;
  /** The registry. */
  readonly host: string;
  /** What answered in the end; another host where the registry has sent its client there. */
  readonly location: URL;
  /** Milliseconds that it asks to wait. */
  readonly wait: number | undefined;
  /** What the request was sent with. */
  readonly sent: Authorization;
  /** Scopes that the request needs. */
  readonly scopes: readonly Scope[];
  /** Header `WWW-Authenticate` of the answer. */
  readonly challenge: string | undefined;
  /** The request uploads a blob or writes a manifest. */
  readonly isWrite: boolean;
  /** The request had a condition, which 412 says does not hold. */
  readonly hasCondition: boolean;
}

export function responseFailure(step: Step, answer: FailedResponse, secrets: SecretRedactor): MlistError {
  // The answer of another host, to which the registry has redirected its client, is not quoted.
  const isOwn = answer.location.host === answer.host;
  const diagnostics = isOwn ? readRegistryError(answer.body, (text) => secrets.redact(text, answer.location)) : [];
  const reported = diagnostics.map(describeDiagnostic).join('; ');
  const { code, reason, hint } = meaning(answer, diagnostics);
  const because =
    reported === '' ? `${reason} (HTTP ${answer.status})` : `${reason} (HTTP ${answer.status}, ${reported})`;
  return new MlistError(code, `cannot ${step.what} ${step.reference}: ${because}`, {
    reference: step.reference,
    status: answer.status,
    retryAfterMs: answer.wait,
    diagnostics,
    digests: isOwn ? [...digestsIn(answer.body)].slice(0, MOST_DIGESTS) : [],
    hint,
  });
}

/** The number of digests that are kept of an answer. */
const MOST_DIGESTS = 10;

/** An answer in short: `HTTP 503 with Retry-After 30 s`. */
export function describeStatus(status: number, wait: number | undefined): string {
  return wait === undefined ? `HTTP ${status}` : `HTTP ${status} with Retry-After ${Math.ceil(wait / 1000)} s`;
}

/** That no answer came, in short: `none, ECONNRESET`. */
export function describeNoResponse(thrown: unknown): string {
  const code = errorCode(thrown);
  return code === undefined ? 'none' : `none, ${code}`;
}

/** Who refuses, and with which login. */
function refusal(answer: FailedResponse): Meaning {
  const { status, host, sent } = answer;
  const { hasLogin = false, place } = sent;
  const code = 'ERR_MLIST_UNAUTHORIZED';
  const login = loginText(host, place);
  if (status === 403) {
    const reason = hasLogin ? `${host} does not allow it with ${login}` : `${host} does not allow it`;
    const hint = hasLogin
      ? 'Check the permissions of the account on this repository.'
      : `Log in with "mlist login ${host}".`;
    return { code, reason, hint };
  }
  if (lacksAccess(answer)) {
    const [other, hint] = hasLogin
      ? [`${login} does not give access to it`, 'Check the spelling and the permissions of the account.']
      : ['it is private', `Check the spelling, or log in with "mlist login ${host}".`];
    return { code, reason: `there is no such repository on ${host}, or ${other}`, hint };
  }
  if (hasLogin) return { code, reason: `${host} does not accept ${login}`, hint: refusedLoginHint(host, place) };
  const hint = `Log in with "mlist login ${host}"; a missing repository may look like this too.`;
  return { code, reason: `${host} asks for a login`, hint };
}

/**
 * Whether a valid token lacks access: a token service issues tokens for repositories that do not exist or are private,
 * and the registry then answers 401. An anonymous write is refused in any case, so it says nothing about the repository.
 */
function lacksAccess({ sent, scopes, challenge = '' }: FailedResponse): boolean {
  if (sent.cachedToken === undefined || scopes.length === 0) return false;
  if (parseChallenges(challenge).some(({ parameters }) => parameters['error'] === 'invalid_token')) return false;
  return sent.hasLogin === true || scopes.every(({ actions }) => actions.every((action) => action === 'pull'));
}

function notThere(host: string): Omit<Meaning, 'code'> {
  return { reason: `${host} does not have it`, hint: 'Check the spelling, and that it was pushed.' };
}

/** A 404 to a request that writes: the registry lacks what the request needs, not what it writes. */
function noTarget(host: string, diagnostics: readonly Diagnostic[]): Omit<Meaning, 'code'> {
  const codes = new Set(diagnostics.map(({ code }) => code));
  if (codes.has('BLOB_UPLOAD_UNKNOWN')) return { reason: `${host} no longer knows the upload` };
  if (namesUnknownContent(diagnostics)) return { reason: `${host} lacks content that it refers to` };
  return {
    reason: `${host} has no such repository to write to`,
    hint: 'Create the project or repository at the registry first, or check the spelling of the target.',
  };
}

/** A full quota, which Harbor and others report with 403. */
function isOutOfSpace(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some(({ message }) =>
    /\bquota\b|storage resource|insufficient storage|upper limit/i.test(message),
  );
}

interface Meaning {
  readonly code: ErrorCode;
  readonly reason: string;
  readonly hint?: string;
}

function meaning(answer: FailedResponse, diagnostics: readonly Diagnostic[]): Meaning {
  const { status, host, location, wait, isWrite, hasCondition } = answer;
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
  if (status === 401 || status === 403) return refusal(answer);
  if (status === 404) return { code: 'ERR_MLIST_NOT_FOUND', ...(isWrite ? noTarget : notThere)(host, diagnostics) };
  if (status === 412 && hasCondition)
    return {
      code: 'ERR_MLIST_CONFLICT',
      reason: `it has changed on ${host} meanwhile`,
      hint: 'Look at what is there now, then try again.',
    };
  const later = wait === undefined ? '' : ` and asks to wait for ${waitText(wait)}`;
  if (status === 429 || diagnostics.some(({ code }) => code === 'TOOMANYREQUESTS')) {
    return {
      code: 'ERR_MLIST_REGISTRY',
      reason: `${host} limits the rate of requests${later}`,
      hint: 'Try later, or log in for a higher limit.',
    };
  }
  if (status >= 500)
    return { code: 'ERR_MLIST_REGISTRY', reason: `${host} has a fault${later}`, hint: 'Try again later.' };
  if (status === 413)
    return {
      code: 'ERR_MLIST_REGISTRY',
      reason: `${host} limits the size of a request`,
      hint: 'Raise the limit of the proxy in front of the registry, such as client_max_body_size of nginx.',
    };
  return { code: 'ERR_MLIST_REGISTRY', reason: `${host} refuses it` };
}

/** The connection failed, rather than the registry's answer being bad. */
export function isConnectionError(thrown: unknown): boolean {
  if (thrown instanceof MlistError) return false;
  return !/^(?:ERR_TLS|ERR_SSL_.*ALERT_|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ENOTFOUND|HPE_|HTTP_101)/.test(
    errorCode(thrown) ?? '',
  );
}

/** Nothing of the request can have arrived. */
export function isUnsent(thrown: unknown): boolean {
  return ['ECONNREFUSED', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'EPROXY'].includes(errorCode(thrown) ?? '');
}

const timeouts = new Set(['ETIMEDOUT', 'ESOCKETTIMEDOUT']);
/** The server ended the handshake, for want of a certificate of the client's or because of it. */
const refusedClient =
  /^ERR_SSL_.*ALERT_(?:CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE|ACCESS_DENIED)/;
const refusedTls = /^(?:ERR_TLS|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_SSL)/;

/** No answer came, or not a whole one. */
export function connectionFailure(step: Step, host: string, thrown: unknown): MlistError {
  if (thrown instanceof MlistError) return withReference(step, thrown);
  const code = errorCode(thrown) ?? '';
  const facts = { reference: step.reference, cause: thrown };
  const prefix = `cannot ${step.what} ${step.reference}`;
  if (timeouts.has(code)) {
    return new MlistError('ERR_MLIST_TIMEOUT', `${prefix}: ${host} does not answer in time`, {
      ...facts,
      hint: 'See --timeout and --deadline.',
    });
  }
  if (refusedClient.test(code)) {
    return new MlistError('ERR_MLIST_NETWORK', `${prefix}: ${host} does not let this client in by TLS (${code})`, {
      ...facts,
      hint: 'It may want a client certificate: put NAME.cert and NAME.key into certs.d/HOST.',
    });
  }
  if (refusedTls.test(code)) {
    return new MlistError('ERR_MLIST_NETWORK', `${prefix}: the certificate of ${host} is not trusted (${code})`, {
      ...facts,
      hint: 'Name its authority with --ca-file, or give up verification with --insecure.',
    });
  }
  return new MlistError('ERR_MLIST_NETWORK', `${prefix}: ${networkReason(host, code, thrown)}`, facts);
}

/** Adds the reference to errors of redirects, addresses and token services, which do not know it. */
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
  EAI_AGAIN: 'cannot be resolved just now',
  EHOSTUNREACH: 'cannot be reached',
  ENETUNREACH: 'cannot be reached',
  EPROTO: 'does not speak TLS here',
  EPROXY: 'cannot be reached through the proxy',
  HTTP_101: 'goes over to another protocol',
  HPE_HEADER_OVERFLOW: 'sent headers that are too large',
};

function networkReason(host: string, code: string, thrown: unknown): string {
  const reason = reasons[code] ?? (code.startsWith('HPE_') ? 'answers with what is no HTTP' : undefined);
  return reason === undefined
    ? `${host}: ${code || errorMessage(thrown).slice(0, 200)}`
    : `${host} ${reason} (${code})`;
}
