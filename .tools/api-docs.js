// Generates docs/api, the API reference, from the docstrings; with --check it only compares.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const target = join(root, 'docs/api');

function generate(out) {
  const typedoc = join(root, 'node_modules/typedoc/bin/typedoc');
  const options = ['--options', join(root, '.tools/typedoc.json'), '--out', out, '--logLevel', 'Warn'];
  execFileSync(process.execPath, [typedoc, ...options], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
}

function read(folder) {
  const names = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.md'));
  return JSON.stringify(names.sort().map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
}

if (process.argv.includes('--check')) {
  const folder = mkdtempSync(join(tmpdir(), 'mlist-api-docs-'));
  try {
    generate(folder);
    if (read(folder) !== read(target)) {
      console.error('docs/api does not match the docstrings: run node .tools/api-docs.js');
      process.exitCode = 1;
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
} else generate(target);
