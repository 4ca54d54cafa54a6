import { errorCode, errorMessage, MlistError } from '../../errors/errors.ts';
import { isJsonObject } from '../../json/json.ts';
import { readJson } from '../../json/parse.ts';
import type { EngineAddress } from './engine-address.ts';
import { SshError } from './engine-connection.ts';

/**
 * This module creates the errors for failed engine requests. They have the same codes as the errors for failed registry
 * requests.
 */

/** The action and the reference of a request, for messages such as `cannot export docker-daemon:team/app:1.0`. */
export interface EngineStep {
  readonly what: string;
  /** The location of the image, or the name of the engine. */
  readonly reference: string;
}

/** Creates the error for a response whose status is not 200. */
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
  if (status === 401 || status === 403) return { code: 'ERR_MLIST_UNAUTHORIZED', reason: 'denied access' };
  if (status < 400) return { code: 'ERR_MLIST_REGISTRY', reason: 'did not respond like a container engine' };
  return { code: 'ERR_MLIST_REGISTRY', reason: status < 500 ? 'refused the request' : 'reported an error' };
}

/** Maximum length, in characters, of an engine's message in an error message. */
const MAX_MESSAGE = 500;

/** Trims an engine's message, and shortens it to `MAX_MESSAGE` characters. */
export function quotedMessage(message: string): string {
  return message.trim().slice(0, MAX_MESSAGE);
}

/**
 * Returns the message of an error response `{"message": "..."}`, or an empty string if it has no message. podman
 * adds the members `cause` and `response`, which contain no further facts.
 */
function messageIn(body: Uint8Array): string {
  const { value } = readJson(body);
  const message = isJsonObject(value) ? value['message'] : undefined;
  return typeof message === 'string' ? quotedMessage(reasonIn(message)) : '';
}

/**
 * Returns the relevant part of a message. If podman cannot load an archive, it lists the reason for each archive format
 * that it has tried. Only the reason for docker archives is relevant, because mlist sends docker archives to podman.
 */
function reasonIn(message: string): string {
  const format = '* docker-archive:';
  const at = message.indexOf(format);
  return at < 0 ? message : message.slice(at + format.length);
}

/** Creates the error for a failed connection. Returns an MlistError unchanged. */
export function connectionFailure(step: EngineStep, address: EngineAddress, thrown: unknown): MlistError {
  if (thrown instanceof MlistError) return thrown;
  const code = errorCode(thrown) ?? '';
  const task = `cannot ${step.what} ${step.reference}`;
  const facts = { reference: step.reference, cause: thrown };
  if (code === 'EACCES' || code === 'EPERM') {
    const message = `${task}: permission denied while connecting to ${nameOf(address)}`;
    return new MlistError('ERR_MLIST_UNAUTHORIZED', message, { ...facts, hint: permissionHint(address) });
  }
  if (['ENOENT', 'ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH'].includes(code)) {
    return new MlistError('ERR_MLIST_NETWORK', `${task}: ${nameOf(address)} cannot be reached (${code})`, {
      ...facts,
      hint: `Check that the engine is running. mlist uses ${address.origin}.`,
    });
  }
  const reason =
    thrown instanceof SshError ? `ssh failed: ${errorMessage(thrown)}` : reasonOf(code, errorMessage(thrown));
  return new MlistError('ERR_MLIST_NETWORK', `${task}: ${nameOf(address)}: ${reason}`, facts);
}

function reasonOf(code: string, message: string): string {
  return code === 'ECONNRESET' || code === 'EPIPE' ? `the engine closed the connection (${code})` : message;
}

/** Creates the error for a connection that was closed before the response was complete. */
export function cutResponse({ what, reference }: EngineStep, address: EngineAddress): MlistError {
  return new MlistError(
    'ERR_MLIST_NETWORK',
    `cannot ${what} ${reference}: ${nameOf(address)} closed the connection before the end of the response`,
    {
      reference,
      hint: 'The engine may have been stopped, or its disk may be full. See the log of the engine.',
    },
  );
}

export function silentEngine(
  { what, reference }: EngineStep,
  address: EngineAddress,
  milliseconds: number,
): MlistError {
  const text = `cannot ${what} ${reference}: ${nameOf(address)} sent no data for ${milliseconds / 1000} s`;
  return new MlistError('ERR_MLIST_TIMEOUT', text, { reference });
}

/** Returns the name of an engine in messages, such as `the Docker engine at unix:///var/run/docker.sock`. */
export function nameOf({ kind, text }: EngineAddress): string {
  return `${kind === 'podman' ? 'podman' : 'the Docker engine'} at ${text}`;
}

function permissionHint({ kind, origin }: EngineAddress): string {
  if (kind === 'podman')
    return 'Use the podman socket of your own user: unset CONTAINER_HOST, or start podman.socket as this user.';
  return (
    `Add your user to the group "docker" and log in again, or use a rootless engine through its Docker context, ` +
    `for example docker-daemon@rootless:NAME. mlist currently uses ${origin}.`
  );
}
