import { expect, test } from '@jest/globals';
import { MemoryStore } from '../../src/store/memory.ts';
import { describeStoreContract } from './store-contract.ts';
import { imageOf } from './samples.ts';

describeStoreContract('memory', (work) => work(new MemoryStore()));

test('the memory store copies the bytes, so that the caller may change its buffer', async () => {
  const store = new MemoryStore('here');
  const { manifest } = imageOf('a');
  const bytes = Uint8Array.from(manifest.bytes);
  await store.putManifest({ ...manifest, bytes }, 'v1');
  bytes.fill(0);
  expect(Buffer.from((await store.fetchManifest('v1')).bytes)).toEqual(manifest.bytes);
  expect(store.location).toBe('here');
});
