import { errorCode, errorMessage, MlistError } from '../../errors/errors.ts';
import { isJsonObject } from '../../json/json.ts';
import { readJson } from '../../json/parse.ts';
import type { EngineAddress } from './engine-address.ts';
import { SshError } from './engine-connection.ts';

/** Creates the errors for failed requests to engines. The error codes are those of requests to registries. */

/** The action and the reference of a request, for messages such as `cannot read docker.io/library/app:latest`. */
export interface EngineStep {
  readonly what: string;
  /** The location of the image, or the engine. */
  readonly reference: string;
}

/** The error for a response with a status other than 200. */
export function engineRefusal(step: EngineStep, address: EngineAddress, status: number, body: Uint8Array): MlistError {
  const reported = messageIn(body);
  const facts = [`HTTP ${status}`, reported].filter((fact) => fact !== '').join(', ');
  const { code, reason } = explain(status);
  const text = `cannot ${step.what} ${step.reference}: ${nameOf(address)} ${reason} (${facts})`;
  return new MlistError(code, text, {
    reference: step.reference,
    status,
    diagnostics: reported === '' ? [] : [{ code: '', message: reported }],
  });
}

function explain(status: number): { readonly code: MlistError['code']; readonly reason: string } {
  if (status === 404) return { code: 'ERR_MLIST_NOT_FOUND', reason: 'does not have it' };
  if (status === 401 || status === 403) return { code: 'ERR_MLIST_UNAUTHORIZED', reason: 'denies access' };
  if (status < 400) return { code: 'ERR_MLIST_REGISTRY', reason: 'does not respond like a container engine' };
  return { code: 'ERR_MLIST_REGISTRY', reason: status < 500 ? 'refuses the request' : 'reports an error' };
}

/** Maximum length of an engine's message in an error. */
const MAX_MESSAGE = 500;

/** An engine's message for use in an error, shortened to `MAX_MESSAGE`. */
export function quotedMessage(message: string): string {
  return message.trim().slice(0, MAX_MESSAGE);
}

/** The message of an error response `{"message"}`. The members `cause` and `response` that podman adds repeat it. */
function messageIn(body: Uint8Array): string {
  const { value } = readJson(body);
  const message = isJsonObject(value) ? value['message'] : undefined;
  return typeof message === 'string' ? quotedMessage(reasonIn(message)) : '';
}

/**
 * The relevant part of a message. If podman cannot load an archive, it lists a reason for each archive format that it
 * has tried; only the reason for docker archives is relevant.
 */
function reasonIn(message: string): string {
  const format = '* docker-archive:';
  const at = message.indexOf(format);
  return at < 0 ? message : message.slice(at + format.length);
}

/** The error for a request without a complete response. */
export function connectionFailure(step: EngineStep, address: EngineAddress, thrown: unknown): MlistError {
  if (thrown instanceof MlistError) return thrown;
  const code = errorCode(thrown) ?? '';
  const task = `cannot ${step.what} ${step.reference}`;
  const facts = { reference: step.reference, cause: thrown };
  if (code === 'EACCES' || code === 'EPERM') {
    const message = `${task}: permission denied for ${nameOf(address)}`;
    return new MlistError('ERR_MLIST_UNAUTHORIZED', message, { ...facts, hint: permissionHint(address) });
  }
  if (['ENOENT', 'ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH'].includes(code)) {
    return new MlistError('ERR_MLIST_NETWORK', `${task}: ${nameOf(address)} cannot be reached (${code})`, {
      ...facts,
      hint: `Check that it is running. Its address is from ${address.origin}.`,
    });
  }
  const reason =
    thrown instanceof SshError ? `ssh failed: ${errorMessage(thrown)}` : reasonOf(code, errorMessage(thrown));
  return new MlistError('ERR_MLIST_NETWORK', `${task}: ${nameOf(address)}: ${reason}`, facts);
}

function reasonOf(code: string, message: string): string {
  return code === 'ECONNRESET' || code === 'EPIPE' ? `the engine closed the connection (${code})` : message;
}

/** The error for an incomplete response. */
export function cutResponse({ what, reference }: EngineStep, address: EngineAddress): MlistError {
  return new MlistError(
    'ERR_MLIST_NETWORK',
    `cannot ${what} ${reference}: ${nameOf(address)} closed the connection before the end`,
    {
      reference,
      hint: 'The engine may have been stopped, or its disk may be full. Its log gives the reason.',
    },
  );
}

export function silentEngine(
  { what, reference }: EngineStep,
  address: EngineAddress,
  milliseconds: number,
): MlistError {
  const text = `cannot ${what} ${reference}: ${nameOf(address)} sent nothing for ${milliseconds / 1000} s`;
  return new MlistError('ERR_MLIST_TIMEOUT', text, { reference });
}

/** The name of an engine in messages, such as `the Docker engine at unix:///var/run/docker.sock`. */
export function nameOf({ kind, text }: EngineAddress): string {
  return `${kind === 'podman' ? 'podman' : 'the Docker engine'} at ${text}`;
}

function permissionHint({ kind, origin }: EngineAddress): string {
  if (kind === 'podman')
    return 'Use the socket of your own user: unset CONTAINER_HOST, or start podman.socket as this user.';
  return (
    `Add your user to the group "docker" and log in again, or use an engine of your own: ` +
    `docker-daemon@rootless:NAME names the context of a rootless engine. The address is from ${origin}.`
  );
}
