// Builds the package: the validators, the library, the program, and the types of the library (not with --quick).
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileBcryptWorker } from './bcrypt-worker.js';
import { bundle } from './bundle.js';
import { compileValidators } from './validators.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (...names) => join(root, ...names);

// An installed package is already built and has no sources.
if (!existsSync(at('src'))) process.exit(0);

await compileValidators(root);
await compileBcryptWorker(root);
rmSync(at('dist'), { recursive: true, force: true });
await bundle(root);
writeFileSync(at('dist/cli/package.json'), '{ "type": "commonjs" }\n');
chmodSync(at('dist/cli/mlist.js'), 0o755);
if (!process.argv.includes('--quick')) {
  execFileSync(process.execPath, [at('node_modules/typescript/bin/tsc'), '-p', at('.tools/tsconfig.types.json')], {
    stdio: 'inherit',
  });
}
