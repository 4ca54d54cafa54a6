import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode, MlistError } from '../../../errors/errors.ts';
import { readAtMost, readRegularSync } from '../../../fs/read-file.ts';
import { variable, type Environment } from '../credentials/environment.ts';

/**
 * Certificates that an administrator put down for one registry: a folder `certs.d/HOST[:PORT]` with authorities in
 * `*.crt`, and with a client's certificate and key in `NAME.cert` and `NAME.key` (docs.docker.com "Verify repository
 * client with certificates"; containers-certs.d(5)).
 */
export interface HostCertificates {
  /** The folder. */
  readonly folder: string;
  /** Authorities, PEM. */
  readonly authorities: readonly string[];
  readonly client: ClientCertificate | undefined;
}

export interface ClientCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface FolderOptions {
  readonly env: Environment;
  readonly home: string;
  readonly platform: NodeJS.Platform;
}

/** The folders `certs.d` of the containers tools and of Docker; the first that has a folder for a host counts for it. */
export function certificateFolders({ env, home, platform }: FolderOptions): readonly string[] {
  if (platform === 'win32') return [join(variable(env, 'ProgramData') ?? 'C:\\ProgramData', 'docker', 'certs.d')];
  const config = variable(env, 'XDG_CONFIG_HOME') ?? join(home, '.config');
  return [
    join(config, 'containers', 'certs.d'),
    '/etc/containers/certs.d',
    join(config, 'docker', 'certs.d'),
    join(home, '.docker', 'certs.d'),
    '/etc/docker/certs.d',
  ];
}

/**
 * What there is for a host; undefined where there is nothing. A folder that may not be read is passed over, and told:
 * /etc/docker/certs.d is root's alone on some machines.
 * @param names - of the host, as folders are called: `example.com:443` and `example.com`
 * @throws MlistError `ERR_MLIST_CREDENTIALS` where a client's certificate has no key, or a key no certificate;
 *   `ERR_MLIST_FILE` where one of them is no regular file, or holds nothing in PEM form
 */
export function certificatesFor(
  names: readonly string[],
  folders: readonly string[],
  onWarning: (message: string) => void,
): HostCertificates | undefined {
  for (const folder of folders.flatMap((one) => names.map((name) => join(one, folderName(name))))) {
    try {
      return readFolder(folder);
    } catch (thrown) {
      const code = errorCode(thrown) ?? '';
      if (code === 'EACCES' || code === 'EPERM') onWarning(`the certificates in ${folder} may not be read: ${code}`);
      else if (code !== 'ENOENT' && code !== 'ENOTDIR') throw thrown;
    }
  }
  return undefined;
}

/** Windows has no colons in file names, and Docker leaves them out there. */
function folderName(host: string): string {
  return process.platform === 'win32' ? host.replaceAll(':', '') : host;
}

function readFolder(folder: string): HostCertificates {
  const names = readdirSync(folder).sort();
  const read = (name: string) => readPlacedPem(join(folder, name));
  const authorities = names.filter((name) => name.endsWith('.crt')).map(read);
  const stems = names.filter((name) => /\.(?:cert|key)$/.test(name)).map((name) => name.replace(/\.(?:cert|key)$/, ''));
  for (const stem of stems) {
    const missing = ['cert', 'key'].find((kind) => !names.includes(`${stem}.${kind}`));
    if (missing !== undefined) throw halfPair(folder, stem, missing);
  }
  const [first] = stems;
  if (first === undefined) return { folder, authorities, client: undefined };
  return { folder, authorities, client: { cert: read(`${first}.cert`), key: read(`${first}.key`) } };
}

function halfPair(folder: string, stem: string, missing: string): MlistError {
  return new MlistError('ERR_MLIST_CREDENTIALS', `${folder} has no ${stem}.${missing} beside its other half`, {
    path: folder,
    hint: 'A client certificate is a pair, NAME.cert and NAME.key; authorities end in .crt.',
  });
}

/** Reads certificates that lie where they are looked for: no pipe is waited for. */
export function readPlacedPem(path: string): string {
  return pemIn(readRegularSync(path), path);
}

/** More than the authorities of the whole world. */
const MAX_PEM_BYTES = 16 * 1024 * 1024;

/**
 * Reads certificates that somebody has named, also from a pipe.
 * @param signal - ends the wait for what a pipe brings
 * @throws MlistError where the file is not there, or holds no certificate; the abort's reason
 */
export async function readPem(path: string, signal: AbortSignal | undefined): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readAtMost(path, { maxBytes: MAX_PEM_BYTES, signal });
  } catch (cause) {
    signal?.throwIfAborted();
    const isMissing = errorCode(cause) === 'ENOENT';
    const code = isMissing ? 'ERR_MLIST_NOT_FOUND' : 'ERR_MLIST_FILE';
    throw new MlistError(code, `cannot read the certificates in ${path}: ${errorCode(cause) ?? ''}`, { path, cause });
  }
  if (bytes.length <= MAX_PEM_BYTES) return pemIn(bytes.toString('utf8'), path);
  throw new MlistError('ERR_MLIST_FILE', `${path} cannot be used: it has more than ${MAX_PEM_BYTES} bytes`, { path });
}

function pemIn(text: string, path: string): string {
  if (text.includes('-----BEGIN ')) return text;
  throw new MlistError('ERR_MLIST_FILE', `${path} holds nothing in PEM form`, { path });
}
