// How another project tests its handling of registry faults, with the runner of Node: `node --test faults.test.js`. Its
// package.json has "type": "module".
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient } from 'mlist';
import { encodeImageIndex, parsePlatform } from 'mlist/oci';
import { startRegistry } from 'mlist/server';

test('a push survives a manifest PUT that fails once', async () => {
  const statuses = [];
  const registry = await startRegistry({
    // An overloaded registry, which also requires tokens.
    faults: [{ match: { method: 'PUT', kind: 'manifest' }, times: 1, status: 503, headers: { 'retry-after': '0' } }],
    tokenLogin: true,
    onRequest: ({ method, path, status }) => method === 'PUT' && path.includes('/manifests/') && statuses.push(status),
  });
  const mlist = createClient();
  try {
    const index = await mlist.createIndex([]);
    assert.deepEqual(index.bytes, encodeImageIndex({ manifests: [] }));
    await assert.rejects(mlist.pushIndex(index, `${registry.host}/team/app:1.0`), { code: 'ERR_MLIST_LIST_INVALID' });
    const pushed = await mlist.pushIndex(index, `${registry.host}/team/app:1.0`, { allowEmpty: true });
    assert.deepEqual(
      statuses.filter((status) => status !== 401),
      [503, 201],
    );
    assert.deepEqual(await mlist.resolve(`${registry.host}/team/app:1.0`), pushed.descriptor);
    await assert.rejects(
      mlist.resolve(`${registry.host}/team/app:1.0`, { platform: 'linux/arm64' }),
      ({ code, reference }) => code === 'ERR_MLIST_PLATFORM_NOT_FOUND' && reference.endsWith('team/app:1.0'),
    );
  } finally {
    await mlist.close();
    await registry.close();
  }
  assert.deepEqual(parsePlatform('linux/arm64'), { os: 'linux', architecture: 'arm64' });
});

test('a client notices wrong bytes and broken connections', async () => {
  const registry = await startRegistry({
    faults: [
      { match: { method: 'GET', path: /\/manifests\/wrong$/ }, wrongDigest: true },
      { match: { method: 'GET', path: /\/manifests\/cut$/ }, cutAfter: 10 },
    ],
  });
  const mlist = createClient({ retries: 0 });
  try {
    const index = await mlist.createIndex([]);
    const tags = ['wrong', 'cut'];
    await mlist.pushIndex(index, `${registry.host}/team/app:right`, { allowEmpty: true, tags });
    const codes = { wrong: 'ERR_MLIST_CONTENT_MISMATCH', cut: 'ERR_MLIST_NETWORK' };
    for (const tag of tags)
      await assert.rejects(mlist.inspect(`${registry.host}/team/app:${tag}`), { code: codes[tag] });
    assert.deepEqual((await mlist.inspect(`${registry.host}/team/app:right`)).bytes, index.bytes);
  } finally {
    await mlist.close();
    await registry.close();
  }
});
