import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type MlistError, SeveralErrors, withFirstHint } from '../../errors/errors.ts';
import { isEngineLocation } from '../../oci/engine-location.ts';
import { locationHint, pathHint } from '../../oci/location-hint.ts';
import { isFileLocation, isLocalLocation } from '../../oci/location.ts';
import { canonicalReference } from '../../oci/reference.ts';
import type { ParsedArguments } from './command-declaration.ts';

/** Codes of the errors that occur if a file name, or a location in another tool's syntax, is parsed as a reference. */
const codes: readonly string[] = [
  'ERR_MLIST_REFERENCE_INVALID',
  'ERR_MLIST_NOT_FOUND',
  'ERR_MLIST_UNAUTHORIZED',
  'ERR_MLIST_REGISTRY',
  'ERR_MLIST_NETWORK',
  'ERR_MLIST_TIMEOUT',
];

/**
 * Adds a hint with the correct location if the error concerns an argument that is a local file or folder, or a location
 * in another tool's syntax. Such arguments are parsed as references, because `web.tar` and `oci-layout:web` are valid
 * image names on Docker Hub.
 */
export async function withLocationHint(error: MlistError, args: ParsedArguments, cwd: string): Promise<MlistError> {
  if (error instanceof SeveralErrors) {
    const [first = error, ...more] = await Promise.all(error.errors.map((one) => withLocationHint(one, args, cwd)));
    return SeveralErrors.of([first, ...more]);
  }
  if (!codes.includes(error.code)) return error;
  for (const text of [...args.positionals, ...args.texts('to'), ...args.texts('tag')]) {
    const hint = isAbout(error, text) ? await hintFor(text, cwd) : undefined;
    if (hint === undefined || error.hint?.includes(hint) === true) continue;
    return withFirstHint(error, hint);
  }
  return error;
}

/**
 * Whether an error concerns this argument, either as typed or as the image on Docker Hub that it was parsed as. Also
 * true if the argument begins with the prefix of a local location, but looks like a host with a port, or like a URL.
 */
function isAbout({ message, facts }: MlistError, text: string): boolean {
  if (message.includes(JSON.stringify(text))) return true;
  if (isEngineLocation(text)) return /^[a-z-]+:\d{1,5}\//.test(text);
  if (isFileLocation(text)) return /^[a-z-]+:\/\/[^/]/.test(text);
  const reference = canonicalReference(text);
  const isOfficial = reference?.startsWith('docker.io/library/') === true;
  return isOfficial && (facts.reference === reference || message.includes(reference));
}

/** Matches the names of spec and source files. They get no hint, because the hint would treat them as archives. */
const isDocument = /\.(?:json|ya?ml)$/i;

async function hintFor(text: string, cwd: string): Promise<string | undefined> {
  const found = isLocalLocation(text) ? undefined : await stat(resolve(cwd, text)).catch(() => undefined);
  if (found === undefined) return locationHint(text);
  return found.isFile() && isDocument.test(text) ? undefined : pathHint(text, !found.isDirectory());
}
