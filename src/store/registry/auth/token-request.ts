import type { PendingSteps, Step } from '../../../async/pending.ts';
import type { HttpClient } from '../http/http-client.ts';
import { readBody } from '../http/response.ts';
import { backoff, exceedsMaxWait, isConnectionError, isRetryableStatus, parseRetryAfter } from '../http/retry.ts';
import { connectionFailure, describeNoResponse, describeStatus } from '../request-failure.ts';
import type { TokenHttpRequest, TokenResponse, TokenSender } from './token-service.ts';

const MAX_TOKEN_RESPONSE_BYTES = 1024 * 1024;

/**
 * Creates a sender of token requests. It uses the timeout and the retries of the HTTP client, but does not follow
 * redirects.
 */
export function tokenSender(client: HttpClient, steps: PendingSteps): TokenSender {
  return {
    send: async (request) => {
      const step = { what: 'get a token from', reference: request.url.host };
      const end = steps.begin(step, { isShared: true });
      return requestToken({ client, steps, step }, request).finally(end);
    },
    retries: client.retries,
    pause: (attempt) => client.pause(backoff(attempt)),
  };
}

interface TokenExchange {
  readonly client: HttpClient;
  readonly steps: PendingSteps;
  readonly step: Step;
}

async function requestToken({ client, steps, step }: TokenExchange, request: TokenHttpRequest): Promise<TokenResponse> {
  const { host } = request.url;
  for (let attempt = 1; ; attempt += 1) {
    const isLast = attempt > client.retries;
    try {
      const response = await client.send(request);
      const bytes = await readBody(response, MAX_TOKEN_RESPONSE_BYTES, `the response of ${host}`);
      const { status, headers } = response;
      const retryAfterMs = parseRetryAfter(headers['retry-after'], Date.now());
      const isFinal = isLast || !isRetryableStatus(status) || exceedsMaxWait({ status, retryAfterMs });
      if (isFinal) return { status, headers, bytes };
      steps.recordResponse(step, describeStatus(status, retryAfterMs));
    } catch (thrown) {
      client.signals.throwIfAborted();
      if (isLast || !isConnectionError(thrown)) throw connectionFailure(step, host, thrown);
      steps.recordResponse(step, describeNoResponse(thrown));
    }
    await client.pause(backoff(attempt));
  }
}
