// How another project tests its handling of registry faults, with the runner of Node: `node --test faults.test.js`.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient } from 'mlist';
import { encodeImageIndex, parsePlatform } from 'mlist/oci';
import { startRegistry } from 'mlist/server';

/** Fails the first matching request with HTTP 503, as an overloaded registry does. */
function failOnce(method, path) {
  let isDone = false;
  return (request, response) => {
    if (isDone || request.method !== method || !path.test(request.url)) return false;
    isDone = true;
    response.writeHead(503, { 'retry-after': '0' }).end();
    return true;
  };
}

test('a push survives a manifest PUT that fails once', async () => {
  const statuses = [];
  const registry = await startRegistry({
    intercept: failOnce('PUT', /\/manifests\//),
    onRequest: ({ method, path, status }) => method === 'PUT' && path.includes('/manifests/') && statuses.push(status),
  });
  const mlist = createClient();
  try {
    const index = await mlist.createIndex([]);
    assert.deepEqual(index.bytes, encodeImageIndex({ manifests: [] }));
    await assert.rejects(mlist.pushIndex(index, `${registry.host}/team/app:1.0`), { code: 'ERR_MLIST_LIST_INVALID' });
    const pushed = await mlist.pushIndex(index, `${registry.host}/team/app:1.0`, { allowEmpty: true });
    assert.deepEqual(statuses, [503, 201]);
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
