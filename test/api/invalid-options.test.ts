import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/api/server.ts';
import { createClient, dockerCredentials, MlistError, systemMirrors, type Client } from '../../src/index.ts';
import { cleanup } from '../support/cleanup.ts';
import { makeImage, pushImage } from '../support/images.ts';

/** Programs in JavaScript can pass any value. */
const any = (value: unknown) => value as never;

let registry: RunningRegistry;
let client: Client;
let image: string;

beforeAll(async () => {
  registry = await startRegistry();
  client = createClient();
  image = `${registry.host}/team/app:amd64`;
  await pushImage(registry.url, 'team/app', 'amd64', makeImage({ salt: 'options' }));
});
afterAll(async () => {
  await client.close();
  await registry.close();
});

const drafts = () => client.drafts('/nowhere');

type Call = () => unknown;

const invalidCalls: Readonly<Record<string, Call>> = {
  'sources must be an array, not undefined': () => client.createIndex(any(undefined)),
  'a source must be a string, not undefined': () => client.createIndex([any(undefined)]),
  'the platform of a.test/b must be a string, not number': () =>
    client.createIndex([{ image: 'a.test/b', platform: any(5) }]),
  'the descriptor of a.test/b must be an object, not number': () =>
    client.createIndex([{ image: 'a.test/b', descriptor: any(5) }]),
  'the source must be a string, not undefined': () => client.copy(any(undefined), 'a.test/b'),
  'the reference must be a string, not undefined': () => client.resolve(any(undefined)),
  'the subject must be a string or a Uint8Array, not undefined': () => client.validate(any(undefined)),
  'the target must be a string, not undefined': () => client.join(any(undefined), []),
  'the spec must be a string or an object, not undefined': () => client.apply(any(undefined)),
  'the spec must be a string or an object, not null': () => client.apply(any(null)),
  'the list must be a string, not undefined': () => drafts().get(any(undefined)),
  'the folder must be a string, not undefined': () => client.drafts(any(undefined)),
};

const invalidOptions: Readonly<Record<string, Call>> = {
  'the options must be an object, not null': () => client.resolve(image, any(null)),
  'the options must be an object, not string': () => client.resolve(image, any('linux/amd64')),
  'signal must be an AbortSignal, not an object': () => client.delete(image, { signal: any(new AbortController()) }),
  'onEvent must be a function, not an object': () => client.resolve(image, { onEvent: any({}) }),
  'format must be "auto", "oci" or "docker", not "zip"': () => client.createIndex([image], { format: any('zip') }),
  'format must be "auto", "oci" or "docker", not number': () => drafts().create(image, [], { format: any(5) }),
  'attestations must be "keep" or "drop", not boolean': () => client.createIndex([], { attestations: any(true) }),
  'attestations must be "keep" or "drop", not "Keep"': () => client.copy(image, image, { attestations: any('Keep') }),
  'missing must be "refuse", "skip" or "fill", not null': () => client.createIndex([image], { missing: any(null) }),
  'the annotation size must be a string, not number': () =>
    client.createIndex([image], { annotations: { size: any(5) } }),
  'the annotation size must be a string, not an object': () =>
    drafts().annotate(image, image, { annotations: { size: any({}) } }),
  'the platform member variant must be a string, not number': () =>
    drafts().annotate(image, image, { platform: { variant: any(7) } }),
  'select the images either with "all: true" or with at least one platform': () =>
    drafts().annotate(image, { platforms: [] }, {}),
  'the image must be a string or an object, not undefined': () => drafts().annotate(image, any(undefined), {}),
  'artifactType must be a string, not an array': () => drafts().annotate(image, image, { artifactType: any([]) }),
  'platforms must be an array, not string': () => client.explain(image, { platforms: any('linux/amd64') }),
  'expect must be an array, not string': () => drafts().push(image, { expect: any('linux/amd64') }),
  'a platform must be a string, not undefined': () => client.createIndex([image], { platforms: [any(undefined)] }),
  'platform must be a string, not null': () => client.inspect(image, { platform: any(null) }),
  'deep must be a boolean, not string': () => client.validate(image, { deep: any('false') }),
  'a tag must be a string, not number': () => drafts().push(image, { tags: [any(1)] }),
  'a location must be a string, not number': () => drafts().push(image, { to: [any(1)] }),
  'dryRun must be a boolean, not number': () => client.apply({}, { dryRun: any(0) }),
  'name must be a string, not number': () => client.apply({}, { name: any(0) }),
  'the value A must be a string, not number': () => client.apply({}, { values: { A: any(0) } }),
  'invalid placeholder name: "A-B"': () => client.apply({}, { values: { 'A-B': 'x' } }),
  'waitMs must be a number, not string': () => client.join(image, [], { waitMs: any('1s') }),
  'waitMs must be at least 0': () => client.join(image, [], { waitMs: -1 }),
  'a tag must not be empty': async () => client.pushIndex(await client.createIndex([image]), image, { tags: [''] }),
  '"latest" in tags is neither ":TAG" nor a complete reference': () => drafts().push(image, { tags: ['latest'] }),
  '":" in tags is neither ":TAG" nor a complete reference': () => drafts().push(image, { tags: [':'] }),
  'expect requires group': () => client.join(image, [], { expect: ['linux/amd64'] }),
  'group must be a string or an object, not number': () => client.join(image, [], { group: any(17) }),
  'id of group must be a string, not undefined': () => client.join(image, [], { group: any({}) }),
};

const invalidClients: Readonly<Record<string, Call>> = {
  'the options must be an object, not null': () => createClient(any(null)),
  'concurrency must be at least 1': () => createClient({ concurrency: 0 }),
  'compression must be "gzip", "zstd" or "none", not "xz"': () => createClient({ compression: any('xz') }),
  'spoolLimit must be a number, not string': () => createClient({ spoolLimit: any('1G') }),
  'retries must be a number, not string': () => createClient({ retries: any('4') }),
  'timeoutMs must be at least 0': () => createClient({ timeoutMs: Number.NaN }),
  'cwd must be a string, not an object': () => createClient({ cwd: any(new URL('file:///tmp')) }),
  'insecure must be a boolean, not string': () => createClient({ insecure: any('no') }),
  'plainHttp must be an array, not boolean': () => createClient({ plainHttp: any(true) }),
  'host of an item in authHosts must be a string, not undefined': () =>
    createClient({ authHosts: [any({ registry: 'a.test' })] }),
  'credentials must be a function, not an object': () => createClient({ credentials: any({ username: 'me' }) }),
  'home must be a string, not number': () => dockerCredentials({ home: any(5) }),
  'onWarning must be a function, not string': () => dockerCredentials({ onWarning: any('log') }),
  'systemFolder must be a string, not null': () => systemMirrors({ systemFolder: any(null) }),
  'endpointsOf of mirrors must be a function, not undefined': () => createClient({ mirrors: any({}) }),
  'a mirror must be a string, not number': () => systemMirrors({ mirrors: [any(5)] }),
};

const invalidServers: Readonly<Record<string, Call>> = {
  'the options must be an object, not null': () => startRegistry(any(null)),
  'address must be a string, not number': () => startRegistry({ address: any(5000) }),
  'readOnly must be a boolean, not string': () => startRegistry({ readOnly: any('no') }),
  'tls must be an object, not boolean': () => startRegistry({ tls: any(true) }),
  'signal must be an AbortSignal, not boolean': () => startRegistry({ signal: any(true) }),
  'limits must be an object, not number': () => startRegistry({ limits: any(5) }),
  'memoryBytes must be at least 1': () => startRegistry({ limits: { memoryBytes: 0 } }),
  'openUploads must be a number, not string': () => startRegistry({ limits: { openUploads: any('5') } }),
  'proxy must be an object, not string': () => startRegistry({ proxy: any('docker.io') }),
  'upstreams must be an array, not undefined': () => startRegistry({ proxy: any({}) }),
  'an item in upstreams must be a string, not number': () => startRegistry({ proxy: { upstreams: [any(5)] } }),
  'the proxy requires at least one upstream': () => startRegistry({ proxy: { upstreams: [] } }),
  'ttlMs must be at least 0': () => startRegistry({ proxy: { upstreams: ['docker.io'], ttlMs: -1 } }),
  'credentials must be a function, not an object': () =>
    startRegistry({ proxy: { upstreams: ['docker.io'], client: { credentials: any({}) } } }),
  'tokenLogin must be a boolean or an object, not number': () => startRegistry({ tokenLogin: any(1) }),
  'expiresIn must be at least 1': () => startRegistry({ tokenLogin: { expiresIn: 0 } }),
  'faults must be an array, not an object': () => startRegistry({ faults: any({ status: 500 }) }),
  'a fault must be an object, not string': () => startRegistry({ faults: [any('status')] }),
  'a fault must have exactly one of status, delayMs, cutAfter, wrongDigest, noMount, noReferrers': () =>
    startRegistry({ faults: [any({ state: 500 })] }),
  'status of a fault must be a number, not string': () => startRegistry({ faults: [{ status: any('500') }] }),
  'kind must be "ping", "manifest", "upload", "blob", "tags", "referrers" or "token", not "blobs"': () =>
    startRegistry({ faults: [{ status: 500, match: { kind: any('blobs') } }] }),
  'path must be an object, not string': () =>
    startRegistry({ faults: [{ status: 500, match: { path: any('/v2/') } }] }),
};

describe.each([
  ['argument of a call', invalidCalls],
  ['option of a call', invalidOptions],
  ['option of a client', invalidClients],
  ['option of a registry', invalidServers],
])('an invalid %s is refused', (_kind, calls) => {
  test.each(Object.entries(calls))('%s', async (message, call) => {
    const failure = Promise.resolve().then(call);
    await expect(failure).rejects.toBeInstanceOf(MlistError);
    await expect(failure).rejects.toMatchObject({ code: 'ERR_MLIST_USAGE', message });
  });
});

test('a spec that JSON cannot represent is refused', async () => {
  const spec: Record<string, unknown> = {};
  spec['list'] = spec;
  await expect(client.apply(spec)).rejects.toMatchObject({
    code: 'ERR_MLIST_USAGE',
    message: expect.stringContaining('the spec cannot be converted to JSON') as unknown,
  });
});

test('the message for an unknown value quotes at most 200 characters of it', async () => {
  const format = any('x'.repeat(10_000));
  await expect(client.createIndex([image], { format })).rejects.toMatchObject({
    message: `format must be "auto", "oci" or "docker", not "${'x'.repeat(200)}"`,
  });
});

test.each<[string, string]>([
  ['of the operating system', `${'o'.repeat(10_000)}!/amd64`],
  ['of the architecture', `linux/${'!'.repeat(10_000)}`],
  ['of the version', `windows(%zz${'1'.repeat(10_000)})/amd64`],
])('the message for an invalid platform quotes little of it: a long part in place %s', async (_, platform) => {
  const failure = await client.resolve(image, { platform }).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'ERR_MLIST_PLATFORM_INVALID' });
  expect((failure as MlistError).message.length).toBeLessThan(600);
});

test('a registry whose signal is already aborted is not started', async () => {
  const failure = startRegistry({ signal: AbortSignal.abort(new Error('enough')) });
  await expect(failure).rejects.toBeInstanceOf(MlistError);
  await expect(failure).rejects.toMatchObject({ code: 'ERR_MLIST_INTERRUPTED', message: 'interrupted: enough' });
});

test.each<[string, unknown, string]>([
  ['no type', { username: 'me', password: 'secret' }, 'type of the credentials for HOST must be'],
  ['no password', { type: 'basic', username: 'me' }, 'password of the credentials for HOST must be a string'],
  ['no token', { type: 'bearer', password: 'secret' }, 'token of the credentials for HOST must be a string'],
  ['null', null, 'the credentials for HOST must be an object, not null'],
])('credentials with %s are refused', async (_name, credentials, message) => {
  const guarded = cleanup(
    await startRegistry({
      intercept: (_request, response) => {
        response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
        return true;
      },
    }),
  );
  const own = cleanup(createClient({ credentials: () => Promise.resolve(any(credentials)) }));
  const failure = own.resolve(`${guarded.host}/team/app:1.0`);
  await expect(failure).rejects.toMatchObject({
    code: 'ERR_MLIST_USAGE',
    message: expect.stringContaining(message.replace('HOST', guarded.host)) as unknown,
  });
  await expect(failure).rejects.not.toMatchObject({ message: expect.stringContaining('secret') as unknown });
});
