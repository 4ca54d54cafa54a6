import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode, MlistError } from '../../../errors/errors.ts';
import { readReason } from '../../../fs/file-errors.ts';
import { readAtMost, readRegularSync } from '../../../fs/read-file.ts';
import { variable, type Environment } from '../../environment.ts';

/**
 * The certificates for one host, from its folder `certs.d/HOST[:PORT]` or from a `hosts.toml`. The folder contains CA
 * certificates in `*.crt`, and a client certificate with its key in `NAME.cert` and `NAME.key` (docs.docker.com "Verify
 * repository client with certificates"; containers-certs.d(5)).
 */
export interface HostCertificates {
  readonly folder: string;
  /** CA certificates in PEM. */
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

/**
 * Returns the `certs.d` folders of podman and Docker. For each host, the first one that has a folder for the host is
 * used.
 */
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
 * Reads the certificates for a host from the first readable folder. Returns undefined if no folder can be read. A folder
 * without read permission is skipped with a warning, because on some machines only root may read /etc/docker/certs.d.
 * @param names - the folder names for the host, such as `example.com:443` and `example.com`
 * @throws MlistError `ERR_MLIST_CREDENTIALS` if a client certificate has no key, or a key has no certificate;
 * `ERR_MLIST_FILE` if one of the files is not a regular file or contains no PEM data
 */
export function certificatesFor(
  names: readonly string[],
  folders: readonly string[],
  onWarning: (message: string) => void,
): HostCertificates | undefined {
  for (const folder of folders.flatMap((parent) => names.map((name) => join(parent, folderName(name))))) {
    try {
      return readFolder(folder);
    } catch (thrown) {
      const code = errorCode(thrown) ?? '';
      if (code === 'EACCES' || code === 'EPERM')
        onWarning(`cannot read the certificates in ${folder}: ${readReason(thrown)}`);
      else if (code !== 'ENOENT' && code !== 'ENOTDIR') throw thrown;
    }
  }
  return undefined;
}

/**
 * Returns the folder name for a host. Colons are omitted on Windows, where file names cannot contain them. Docker does
 * the same.
 */
function folderName(host: string): string {
  return process.platform === 'win32' ? host.replaceAll(':', '') : host;
}

function readFolder(folder: string): HostCertificates {
  const names = readdirSync(folder).sort();
  const read = (name: string) => readPemFile(join(folder, name));
  const authorities = names.filter((name) => name.endsWith('.crt')).map(read);
  const stems = names.filter((name) => /\.(?:cert|key)$/.test(name)).map((name) => name.replace(/\.(?:cert|key)$/, ''));
  for (const stem of stems) {
    const missing = ['cert', 'key'].find((kind) => !names.includes(`${stem}.${kind}`));
    if (missing !== undefined) throw incompletePair(folder, stem, missing);
  }
  const [first] = stems;
  if (first === undefined) return { folder, authorities, client: undefined };
  return { folder, authorities, client: { cert: read(`${first}.cert`), key: read(`${first}.key`) } };
}

function incompletePair(folder: string, stem: string, missing: string): MlistError {
  return new MlistError(
    'ERR_MLIST_CREDENTIALS',
    `the client certificate in ${folder} is incomplete: ${stem}.${missing} is missing`,
    {
      path: folder,
      hint: 'A client certificate needs both NAME.cert and NAME.key. The names of CA certificates end in .crt.',
    },
  );
}

/** Reads certificates from a file in a standard location. Throws if it is not a regular file. */
export function readPemFile(path: string): string {
  return pemIn(readRegularSync(path), path);
}

const MAX_PEM_BYTES = 16 * 1024 * 1024;

/**
 * Reads certificates from a file that an option, an environment variable or a `hosts.toml` specifies. It may be a pipe.
 * @throws MlistError `ERR_MLIST_NOT_FOUND` if the file does not exist; `ERR_MLIST_FILE` if it cannot be read, is too
 * large or contains no PEM data; the reason of the signal if it is aborted
 */
export async function readPem(path: string, signal: AbortSignal | undefined): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readAtMost(path, { maxBytes: MAX_PEM_BYTES, signal });
  } catch (cause) {
    signal?.throwIfAborted();
    const isMissing = errorCode(cause) === 'ENOENT';
    const code = isMissing ? 'ERR_MLIST_NOT_FOUND' : 'ERR_MLIST_FILE';
    throw new MlistError(code, `cannot read the certificates in ${path}: ${readReason(cause)}`, { path, cause });
  }
  if (bytes.length <= MAX_PEM_BYTES) return pemIn(bytes.toString('utf8'), path);
  const message = `cannot read the certificates in ${path}: it is larger than ${MAX_PEM_BYTES} bytes`;
  throw new MlistError('ERR_MLIST_FILE', message, { path });
}

function pemIn(text: string, path: string): string {
  if (text.includes('-----BEGIN ')) return text;
  throw new MlistError('ERR_MLIST_FILE', `cannot read the certificates in ${path}: it contains no PEM data`, { path });
}
