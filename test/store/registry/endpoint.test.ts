import { expect, test } from '@jest/globals';
import { Endpoint } from '../../../src/store/registry/http/endpoint.ts';
import { bodyOf, type HttpResponse } from '../../../src/store/registry/http/response.ts';

function response(status: number): HttpResponse {
  return { status, headers: {}, body: bodyOf(new Uint8Array()), discard: () => undefined };
}

/**
 * A host between the client and the registry lets the first connection pass, breaks the second one, and answers its plain
 * http request. Its response could name the token service that receives the credentials.
 */
test('an unverified response is not used after a verified address has answered', async () => {
  const endpoint = new Endpoint({
    domain: 'registry.example',
    plainHttp: false,
    insecure: false,
    hasCertificates: () => false,
    permitsInsecure: () => Promise.resolve(true),
  });
  let answerFirst: (answer: HttpResponse) => void = () => undefined;
  const first = endpoint.tryAddresses(() => new Promise((resolve) => (answerFirst = resolve)));
  const second = endpoint.tryAddresses(async ({ base }) => {
    if (base.protocol === 'https:') throw Object.assign(new Error('reset'), { code: 'ECONNRESET' });
    answerFirst(response(200));
    await first;
    return response(401);
  });
  await expect(second).rejects.toMatchObject({ code: 'ECONNRESET' });
  expect(endpoint.isTrusted).toBe(true);
});
