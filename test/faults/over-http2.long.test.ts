import { afterAll, test } from '@jest/globals';
import { hasOpenssl } from '../support/certificates.ts';
import { isLong } from '../support/long.ts';
import { useHttp2 } from '../support/protocols.ts';

/** Runs attacks and faults on the command line, and the budgets of requests, over HTTP/2. On their own, they run over HTTP/1.1. */
if (isLong && hasOpenssl()) {
  afterAll(useHttp2());
  await import('./attacks-answers.long.test.ts');
  await import('./attacks.long.test.ts');
  await import('./copy.test.ts');
  await import('../cli/request-counts.long.test.ts');
  await import('../cli/registry-deviations.test.ts');
  await import('../cli/upload-responses.test.ts');
  await import('../cli/confirmed-writes.test.ts');
  await import('../cli/refused-reads.long.test.ts');
} else test.skip(`over HTTP/2 (skipped: ${isLong ? 'openssl is not on PATH' : 'long'})`, () => undefined);
