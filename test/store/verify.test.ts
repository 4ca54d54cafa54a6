import { expect, test } from '@jest/globals';
import { damageError, verified, readWhole } from '../../src/store/verify.ts';
import { digestOf } from '../../src/oci/digest.ts';

const bytes = Buffer.from('the bytes of a blob');
const blob = { digest: digestOf(bytes), size: bytes.length };

async function* chunksOf(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield await Promise.resolve(Buffer.from(text));
}

test('passes on the bytes of a blob', async () => {
  const read = () => verified(blob, chunksOf('the bytes ', '', 'of a blob', ''), damageError());
  expect(await readWhole(blob, read)).toEqual(bytes);
});

test.each<[string, readonly string[], string, string]>([
  ['other bytes', ['the bytes ', 'of a BLOB'], 'the bytes ', 'has the digest sha256:'],
  ['other bytes and an empty chunk', ['the bytes ', 'of a BLOB', ''], 'the bytes ', 'has the digest sha256:'],
  ['too few bytes', ['the bytes ', 'of a blo'], 'the bytes of a blo', 'has 18 bytes, not 19'],
  ['too many bytes', ['the bytes ', 'of a blob', '!'], 'the bytes ', 'has more than 19 bytes'],
])('%s are an error before as many bytes as expected are passed on', async (_name, texts, before, message) => {
  let passed = '';
  const read = async () => {
    for await (const chunk of verified(blob, chunksOf(...texts), damageError('a store'))) passed += String(chunk);
  };
  await expect(read()).rejects.toMatchObject({
    code: 'ERR_MLIST_CONTENT_MISMATCH',
    message: expect.stringContaining(`${blob.digest} in a store is damaged: it ${message}`) as unknown,
  });
  expect(passed).toBe(before);
});

test('a wrong size in the descriptor is reported as such, and not as damage', async () => {
  const wrong = { ...blob, size: blob.size + 1 };
  const read = readWhole(wrong, () => verified(wrong, chunksOf('the bytes ', 'of a blob'), damageError('a store')));
  await expect(read).rejects.toMatchObject({
    code: 'ERR_MLIST_CONTENT_MISMATCH',
    message: `the blob ${blob.digest} in a store has 19 bytes, but its descriptor states 20`,
  });
});
