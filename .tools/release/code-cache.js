// Makes the code cache of the executable reproducible.
import { execFileSync } from 'node:child_process';

// The first fields of a code cache of V8, each of four bytes: magic number, version, length of the source, flags.
const [HEADER_LENGTH, FLAGS_OFFSET] = [16, 12];

/**
 * Every process of Node has another hash seed, which V8 writes to its code caches, so two caches of the same code differ. With
 * `--hash-seed` they are equal, but then V8 rejects the cache in a process without this flag, because the header contains a
 * hash of all flags. So the cache is created with the flag, and gets the hash of a process without it. V8 can use a cache
 * with another hash seed, since that is the usual case.
 *
 * @param node the binary that creates the cache, and runs the program
 * @param generate calls that binary with the given flags, and returns the blob
 * @returns the blob
 * @throws if there is not exactly one cache in the blob
 */
export function fixedCodeCache(node, generate) {
  const flag = '--hash-seed=1';
  const blob = generate(flag);
  const [seeded, plain] = [headerOf(node, flag), headerOf(node)];
  // The header of the cache, except for the length of the source.
  const found = [];
  for (let at = blob.indexOf(seeded.subarray(0, 8)); at >= 0; at = blob.indexOf(seeded.subarray(0, 8), at + 1))
    if (blob.subarray(at + FLAGS_OFFSET, at + HEADER_LENGTH).equals(seeded.subarray(FLAGS_OFFSET))) found.push(at);
  if (found.length !== 1) throw new Error(`the code cache is not where it is expected (${found.length} places)`);
  plain.copy(blob, found[0] + FLAGS_OFFSET, FLAGS_OFFSET);
  return blob;
}

function headerOf(node, ...flags) {
  const program = "process.stdout.write(new (require('node:vm').Script)('0').createCachedData().subarray(0, 16))";
  return execFileSync(node, [...flags, '-e', program]);
}
