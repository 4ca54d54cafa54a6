import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { asMlistError } from '../../errors/errors.ts';
import { isNotFound, readReason } from '../../fs/file-errors.ts';
import { variable } from '../../store/environment.ts';
import { certificateFolders, readPem, type FolderOptions } from '../../store/registry/http/certificates.ts';

/** A file with CA certificates, or a folder with certificates for one host. */
export interface CertificateSource {
  /**
   * The environment variable that contains the path (`NODE_EXTRA_CA_CERTS` or `SSL_CERT_FILE`), or the host that the
   * folder in `certs.d` is for. If `certs.d` itself cannot be read: `certs.d`.
   */
  readonly from: string;
  readonly path: string;
  /** The number of certificates in a file, or of certificate and key files in a folder. */
  readonly count?: number | undefined;
  readonly problem?: string | undefined;
}

interface CertificateOptions extends FolderOptions {
  readonly signal: AbortSignal;
}

/** Lists the files and folders with client certificates, or with CA certificates that are trusted besides Node's. */
export async function certificateSources(options: CertificateOptions): Promise<readonly CertificateSource[]> {
  const files = ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE'].map(async (name): Promise<readonly CertificateSource[]> => {
    const path = variable(options.env, name);
    return path === undefined ? [] : [{ from: name, path, ...(await countCertificates(path, options.signal)) }];
  });
  const folders = certificateFolders(options).map(hostsIn);
  return (await Promise.all([...files, ...folders])).flat();
}

async function countCertificates(path: string, signal: AbortSignal): Promise<Partial<CertificateSource>> {
  try {
    return { count: (await readPem(path, signal)).split('-----BEGIN CERTIFICATE-----').length - 1 };
  } catch (thrown) {
    signal.throwIfAborted();
    return { problem: asMlistError(thrown).message };
  }
}

async function hostsIn(folder: string): Promise<readonly CertificateSource[]> {
  try {
    const hosts = (await readdir(folder)).sort();
    const found = await Promise.all(hosts.map((host) => filesIn(host, join(folder, host))));
    return found.flat();
  } catch (thrown) {
    return isNotFound(thrown) ? [] : [{ from: 'certs.d', path: folder, problem: readReason(thrown) }];
  }
}

async function filesIn(host: string, path: string): Promise<readonly CertificateSource[]> {
  try {
    const names = (await readdir(path)).filter((name) => /\.(?:crt|cert|key)$/.test(name));
    return names.length === 0 ? [] : [{ from: host, path, count: names.length }];
  } catch (thrown) {
    return isNotFound(thrown) ? [] : [{ from: host, path, problem: readReason(thrown) }];
  }
}
