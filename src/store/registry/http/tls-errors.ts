import { errorCode } from '../../../errors/errors.ts';

const unknownAuthority = new Set([
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
]);

/** Node's error codes for a server certificate that cannot be verified, including a mismatch of the host name. */
const untrustedCertificate =
  /^(?:CERT_|CRL_|DEPTH_ZERO_|ERROR_IN_C|ERR_TLS_CERT_|HOSTNAME_MISMATCH|INVALID_(?:CA|PURPOSE)|PATH_LENGTH_|SELF_SIGNED_|UNABLE_TO_)/;

/** Whether a handshake failed because no trusted authority has signed the certificate of the server. */
export function isUnknownAuthority(thrown: unknown): boolean {
  return unknownAuthority.has(errorCode(thrown) ?? '');
}

/** Whether a handshake failed because the certificate of the server cannot be verified, for any reason. */
export function isUntrustedCertificate(thrown: unknown): boolean {
  return untrustedCertificate.test(errorCode(thrown) ?? '');
}

/** Whether a handshake or a connection failed because of TLS, for a reason other than the certificate of the server. */
export function isTlsError(thrown: unknown): boolean {
  return /^(?:ERR_SSL_|ERR_TLS_(?!CERT_)|EPROTO$)/.test(errorCode(thrown) ?? '');
}
