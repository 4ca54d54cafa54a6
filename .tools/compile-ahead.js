// Compiles parts of the program ahead, for the Node that this runs on: `node compile-ahead.js FOLDER PART...`. The engine
// then neither parses them nor compiles their functions one by one when they start: src/cli/mlist.ts.
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import module from 'node:module';
import { basename, join } from 'node:path';
import { argv } from 'node:process';
import { setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';

const [, , folder, ...parts] = argv;
mkdirSync(folder, { recursive: true });
for (const part of parts) {
  // Every function, not only those that are called at once. The engine takes its flags into what it makes, and refuses it
  // where they are others later on: the flag is taken back before.
  setFlagsFromString('--no-lazy');
  const script = new Script(module.wrap(readFileSync(part, 'utf8')), { filename: part });
  setFlagsFromString('--lazy');
  // The engine does not check it byte by byte: a power cut must not leave holes in it.
  const file = openSync(join(folder, basename(part, '.js')), 'w');
  writeFileSync(file, script.createCachedData());
  fsyncSync(file);
  closeSync(file);
}
