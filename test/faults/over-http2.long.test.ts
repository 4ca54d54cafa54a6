import { afterAll, test } from '@jest/globals';
import { hasOpenssl } from '../support/certificates.ts';
import { isLong } from '../support/long.ts';
import { useHttp2 } from '../support/protocols.ts';

/** Runs the attacks on the command line over HTTP/2. On their own, they run over HTTP/1.1. */
if (isLong && hasOpenssl()) {
  afterAll(useHttp2());
  await import('./attacks-answers.long.test.ts');
  await import('./attacks.long.test.ts');
} else test.skip(`over HTTP/2 (skipped: ${isLong ? 'openssl is not on PATH' : 'long'})`, () => undefined);
