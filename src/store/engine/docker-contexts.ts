import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { MlistError } from '../../errors/errors.ts';
import { isNotFound, readFailure } from '../../fs/file-errors.ts';
import { readAtMost } from '../../fs/read-file.ts';
import { isJsonObject, type Json } from '../../json/json.ts';
import { readJson } from '../../json/parse.ts';
import { createHash } from '../../oci/digest.ts';
import type { EngineTls } from './engine-address.ts';

/** This module reads Docker contexts, which `docker context` stores in docker's configuration folder. */

/** The name of docker's built-in context, which uses DOCKER_HOST or the default socket. */
export const DEFAULT_CONTEXT = 'default';

/** Size limit for each file. The largest files are config.json files with the credentials of many registries. */
const MAX_BYTES = 1024 * 1024;

export interface DockerContext {
  /** The address of the engine, such as `unix:///var/run/docker.sock`. */
  readonly host: string;
  readonly tls?: EngineTls;
}

/** Returns the context that was selected with `docker context use`, or undefined if no context was selected. */
export async function currentContext(folder: string): Promise<string | undefined> {
  const path = join(folder, 'config.json');
  const name = memberOf(await readDocument(path), 'currentContext');
  return typeof name === 'string' && name !== '' ? name : undefined;
}

/**
 * Reads the address and the TLS settings of a context.
 * @param origin - how the context was selected, for error messages, such as `set in DOCKER_CONTEXT`
 * @throws MlistError `ERR_MLIST_USAGE` if the context does not exist, is damaged or has no Docker endpoint;
 * `ERR_MLIST_FILE` if one of its files cannot be read
 */
export async function readContext(folder: string, name: string, origin: string): Promise<DockerContext> {
  const id = createHash('sha256').update(name).digest('hex');
  const metadata = await readDocument(join(folder, 'contexts', 'meta', id, 'meta.json'));
  if (metadata === undefined) throw await unknownContext(folder, name, origin);
  const endpoint = memberOf(memberOf(metadata, 'Endpoints'), 'docker');
  const host = memberOf(endpoint, 'Host');
  if (typeof host !== 'string' || host === '') {
    throw new MlistError('ERR_MLIST_USAGE', `the Docker context ${name} has no Docker endpoint`);
  }
  const isVerified = memberOf(endpoint, 'SkipTLSVerify') !== true;
  const tls = await readTls(join(folder, 'contexts', 'tls', id, 'docker'), isVerified);
  return { host, ...(tls === undefined ? {} : { tls }) };
}

/** Returns the names of all contexts: first `default`, then the others in alphabetical order. */
async function contextNames(folder: string): Promise<readonly string[]> {
  const meta = join(folder, 'contexts', 'meta');
  const entries = await readdir(meta).catch(() => []);
  const names = entries.map(async (entry) =>
    memberOf(await readDocument(join(meta, entry, 'meta.json')).catch(() => undefined), 'Name'),
  );
  const found = (await Promise.all(names)).filter((name) => typeof name === 'string');
  return [DEFAULT_CONTEXT, ...found.filter((name) => name !== DEFAULT_CONTEXT).sort()];
}

/**
 * Reads the TLS files in a folder: `ca.pem`, `cert.pem` and `key.pem`. Each may be missing.
 * @param isVerified - whether the certificate of the engine is verified
 * @returns undefined if all files are missing and `isVerified` is true: the folder then does not configure TLS
 */
export async function readTls(folder: string, isVerified: boolean): Promise<EngineTls | undefined> {
  const [ca, cert, key] = await Promise.all(
    ['ca.pem', 'cert.pem', 'key.pem'].map((name) => readIfThere(join(folder, name))),
  );
  if (ca === undefined && cert === undefined && key === undefined && isVerified) return undefined;
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    isVerified,
  };
}

async function unknownContext(folder: string, name: string, origin: string): Promise<MlistError> {
  const names = (await contextNames(folder)).join(', ');
  return new MlistError('ERR_MLIST_USAGE', `Docker context not found: ${JSON.stringify(name)} (${origin})`, {
    path: folder,
    hint: `Available contexts: ${names}.`,
  });
}

async function readDocument(path: string): Promise<Json | undefined> {
  const bytes = await readIfThere(path);
  if (bytes === undefined || bytes.length === 0) return undefined;
  const { value, problems } = readJson(bytes);
  if (value !== undefined) return value;
  throw new MlistError('ERR_MLIST_USAGE', `cannot parse ${path}: ${problems[0]?.message ?? 'it is not JSON'}`, {
    path,
  });
}

/**
 * Reads a file. Returns undefined if it does not exist.
 * @throws MlistError `ERR_MLIST_FILE` if it cannot be read, is too large, or is not a regular file
 */
async function readIfThere(path: string): Promise<Buffer | undefined> {
  const bytes = await readAtMost(path, { maxBytes: MAX_BYTES, onlyFile: true }).catch((thrown: unknown) => {
    if (isNotFound(thrown)) return undefined;
    throw readFailure(path, thrown);
  });
  if (bytes === undefined || bytes.length <= MAX_BYTES) return bytes;
  throw new MlistError('ERR_MLIST_FILE', `cannot read ${path}: it is larger than ${MAX_BYTES} bytes`, { path });
}

function memberOf(value: Json | undefined, name: string): Json | undefined {
  return value !== undefined && isJsonObject(value) ? value[name] : undefined;
}
