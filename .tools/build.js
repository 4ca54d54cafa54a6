// Builds the package: the validators, the library, the program, and the types of the library (not with --quick).
import { chmodSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileBcryptWorker } from './bcrypt-worker.js';
import { bundle } from './bundle.js';
import { writeInventory } from './bundled-packages.js';
import { buildTypes } from './types.js';
import { compileValidators } from './validators.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (...names) => join(root, ...names);

// An installed package is already built and has no sources.
if (!existsSync(at('src'))) process.exit(0);

const metafiles = [...(await compileValidators(root)), ...(await compileBcryptWorker(root))];
rmSync(at('dist'), { recursive: true, force: true });
metafiles.push(...(await bundle(root)));
writeInventory(root, metafiles, at('dist'));
writeFileSync(at('dist/cli/package.json'), '{ "type": "commonjs" }\n');
chmodSync(at('dist/cli/mlist.js'), 0o755);
if (!process.argv.includes('--quick')) await buildTypes(root, at('dist/types'));
