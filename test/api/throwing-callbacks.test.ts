import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/api/server.ts';
import { createClient, MlistError, type Client, type OperationEvent } from '../../src/index.ts';
import { cleanup } from '../support/cleanup.ts';
import { makeImage, pushImage } from '../support/images.ts';

/** A callback of the caller that throws aborts the call with its error. The call ends as if its signal was aborted. */

let registry: RunningRegistry;
let client: Client;
const requests: string[] = [];
const at = (name: string) => `${registry.host}/team/app:${name}`;
const elsewhere = (name: string) => `${registry.host}/other/${name}:1.0`;
const reason = Object.assign(new Error('boom'), { code: 'EOWN' });

beforeAll(async () => {
  registry = await startRegistry({ onRequest: ({ method, path }) => requests.push(`${method} ${path}`) });
  client = createClient();
  await pushImage(registry.url, 'team/app', 'amd64', makeImage({ salt: 'callbacks' }));
});
afterAll(async () => {
  await client.close();
  await registry.close();
});

const onEvent = () => {
  throw reason;
};
const onEventType = (type: OperationEvent['type']) => (event: OperationEvent) => {
  if (event.type === type) throw reason;
};

async function failureOf(call: Promise<unknown>): Promise<unknown> {
  const failure: unknown = await call.then(
    () => 'no failure',
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(MlistError);
  expect(failure).toMatchObject({ code: 'ERR_MLIST_INTERRUPTED', cause: { message: 'boom', code: 'EOWN' } });
  return failure;
}

const calls: Readonly<Record<string, () => Promise<unknown>>> = {
  resolve: () => client.resolve(at('amd64'), { onEvent }),
  inspect: () => client.inspect(at('amd64'), { onEvent }),
  copy: () => client.copy(at('amd64'), at('copied'), { onEvent }),
  join: () => client.join(at('joined'), [at('amd64')], { onEvent, group: '1' }),
  apply: () => client.apply({ list: at('applied'), manifests: [at('amd64')] }, { onEvent }),
};

test.each(Object.entries(calls))('%s rejects with the error of onEvent as its cause', async (_name, call) => {
  expect(await failureOf(call())).toMatchObject({ message: expect.stringContaining('interrupted: boom') as unknown });
});

describe('pushIndex', () => {
  test('moves no tag if onEvent throws before', async () => {
    const index = await client.createIndex([at('amd64')]);
    const failure = await failureOf(client.pushIndex(index, elsewhere('early'), { onEvent: onEventType('started') }));
    expect(failure).toMatchObject({ facts: { targets: [{ reference: elsewhere('early'), status: 'not-pushed' }] } });
    await expect(client.resolve(elsewhere('early'))).rejects.toMatchObject({ code: 'ERR_MLIST_NOT_FOUND' });
  });

  test('is complete if onEvent throws at the end, and still rejects', async () => {
    const index = await client.createIndex([at('amd64')]);
    await failureOf(client.pushIndex(index, at('late'), { onEvent: onEventType('tagged') }));
    expect(await client.resolve(at('late'))).toEqual(index.descriptor);
  });

  test('uses the onEvent of the client if it has none of its own', async () => {
    const throwing = cleanup(createClient({ onEvent: onEventType('started') }));
    const index = await throwing.createIndex([at('amd64')]);
    await failureOf(throwing.pushIndex(index, elsewhere('default')));
    await throwing.pushIndex(index, elsewhere('default'), { onEvent: () => undefined });
  });
});

test('a draft is written completely if onEvent throws', async () => {
  const drafts = client.drafts(join(await mkdtemp(join(tmpdir(), 'mlist-api-')), '.mlist'));
  await drafts.create(at('drafted'), [at('amd64')]);
  const other = makeImage({ salt: 'callbacks-arm64', platform: { os: 'linux', architecture: 'arm64' } });
  await pushImage(registry.url, 'team/app', 'arm64', other);
  await failureOf(drafts.add(at('drafted'), [at('arm64')], { onEvent: onEventType('entry') }));
  expect((await drafts.get(at('drafted'))).entries).toHaveLength(2);
});

test('an onRequest that throws aborts the call without further attempts', async () => {
  const throwing = cleanup(
    createClient({
      onRequest: () => {
        throw reason;
      },
    }),
  );
  requests.length = 0;
  await failureOf(throwing.resolve(at('amd64')));
  expect(requests).toHaveLength(1);
});

test('tags rejects with the error of onRequest', async () => {
  const throwing = cleanup(
    createClient({
      onRequest: () => {
        throw reason;
      },
    }),
  );
  await failureOf(throwing.tags(`${registry.host}/team/app`)[Symbol.asyncIterator]().next());
});

test.each<[string, () => Promise<never>]>([
  ['throws', onEvent],
  ['rejects', () => Promise.reject(reason)],
])('credentials that %s fail the call at once', async (_name, credentials) => {
  const guarded = cleanup(
    await startRegistry({
      intercept: (request, response) => {
        requests.push(`${request.method} ${request.url}`);
        response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
        return true;
      },
    }),
  );
  const own = cleanup(createClient({ credentials }));
  requests.length = 0;
  await expect(own.resolve(`${guarded.host}/team/app:1.0`)).rejects.toMatchObject({
    code: 'ERR_MLIST_CREDENTIALS',
    reference: guarded.host,
    message: `cannot get the credentials for ${guarded.host}: boom`,
    cause: { message: 'boom' },
  });
  expect(requests).toHaveLength(1);
});
