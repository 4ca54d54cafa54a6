import { afterAll, test } from '@jest/globals';
import { hasOpenssl } from '../../support/certificates.ts';
import { isLong } from '../../support/long.ts';
import { useHttp2 } from '../../support/protocols.ts';

/** Runs suites of the registry client over HTTP/2. On their own, they run over HTTP/1.1. */
if (hasOpenssl()) {
  afterAll(useHttp2());
  await import('./limits.test.ts');
  if (isLong) {
    await import('./tokens.test.ts');
    await import('./referrers.test.ts');
    await import('./blobs.test.ts');
    await import('./blob-downloads.test.ts');
    await import('./forwarded-blobs.long.test.ts');
    await import('./error-secrets.long.test.ts');
  }
} else test.skip('over HTTP/2 (skipped: openssl is not on PATH)', () => undefined);
