import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Certificates, created with openssl. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
  readonly certFile: string;
  readonly keyFile: string;
}

export function hasOpenssl(): boolean {
  return spawnSync('openssl', ['version']).error === undefined;
}

/** A certificate authority with its files in a folder. */
export class Authority {
  readonly #folder: string;
  readonly certificate: Certificate;

  constructor(folder: string, name = 'authority') {
    this.#folder = folder;
    this.certificate = make(folder, name, ['-x509', '-days', '2', '-subj', `/CN=${name}`]);
  }

  /**
   * Signs a certificate for servers with these names and addresses, and for clients.
   * @param days - the validity; -1 for an expired certificate
   */
  sign(name: string, names: readonly string[] = ['127.0.0.1', 'localhost'], days = 2): Certificate {
    const request = make(this.#folder, name, ['-subj', `/CN=${name}`], 'csr');
    const alternatives = names.map((one) => (/^[\d.]+$|:/.test(one) ? `IP:${one}` : `DNS:${one}`)).join(',');
    const extensions = join(this.#folder, `${name}.ext`);
    writeFileSync(extensions, `subjectAltName=${alternatives}\n`);
    const cert = join(this.#folder, `${name}.pem`);
    const { certFile, keyFile } = this.certificate;
    openssl(
      'x509',
      '-req',
      '-in',
      request.certFile,
      '-CA',
      certFile,
      '-CAkey',
      keyFile,
      '-CAcreateserial',
      '-days',
      String(days),
      '-extfile',
      extensions,
      '-out',
      cert,
    );
    return { ...request, certFile: cert, cert: readFileSync(cert, 'utf8') };
  }
}

function make(folder: string, name: string, options: readonly string[], extension = 'pem'): Certificate {
  const [certFile, keyFile] = [join(folder, `${name}.${extension}`), join(folder, `${name}.key`)];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-new', ...curve, '-keyout', keyFile, '-out', certFile, ...options);
  return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8'), certFile, keyFile };
}

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
