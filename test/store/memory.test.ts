import { expect, test } from '@jest/globals';
import { MemoryStore } from '../../src/store/memory.ts';
import { describeStoreContract } from './store-contract.ts';
import { imageOf } from './samples.ts';

describeStoreContract('memory', (work) => work(new MemoryStore()));

test('memory keeps what it was given, whatever becomes of the caller’s buffer', async () => {
  const home = new MemoryStore('here');
  const { manifest } = imageOf('a');
  const bytes = Uint8Array.from(manifest.bytes);
  await home.putManifest({ ...manifest, bytes }, 'v1');
  bytes.fill(0);
  expect(Buffer.from((await home.fetchManifest('v1')).bytes)).toEqual(manifest.bytes);
  expect(home.location).toBe('here');
});
