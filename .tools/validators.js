// Compiles the JSON schemas to plain functions, so that no command pays for compiling.
// Each group of schemas becomes two modules: `GROUP-first` stops at the first error and is safe on any document, `GROUP-all`
// lists every error and is for documents that are small enough. Both export a function for each schema.
import { Ajv2020 } from 'ajv/dist/2020.js';
import standaloneCode from 'ajv/dist/standalone/index.js';
import { build } from 'esbuild';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const HEADER = '// @ts-nocheck\n// Made from schemas/ by .tools/validators.js when the project is built.\n';

// What is loaded together shares the code of what it has in common, such as descriptors.
const GROUPS = {
  documents: ['descriptor', 'docker-manifest-list', 'image-config', 'image-index', 'image-manifest'],
  draft: ['draft'],
  state: ['state'],
  specs: ['spec', 'manifest-tool'],
  'docker-archive': ['docker-archive'],
  'docker-config': ['docker-config'],
};

/** The schemas that are checked when mlist runs; those under output/ are checked by the tests. */
export async function compileValidators(root) {
  const folder = join(root, 'schemas');
  const out = join(root, 'src', 'schema', 'compiled');
  const files = readdirSync(folder).filter((name) => name.endsWith('.schema.json'));
  const grouped = new Set(Object.values(GROUPS).flatMap((names) => names.map((name) => `${name}.schema.json`)));
  const forgotten = files.filter((name) => !grouped.has(name));
  if (forgotten.length > 0) throw new Error(`no group of validators names ${forgotten.join(', ')}`);
  const schemas = files.map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')));
  const modules = await Promise.all(
    Object.entries(GROUPS).flatMap(([group, names]) =>
      [false, true].map(async (allErrors) => ({
        name: `${group}-${allErrors ? 'all' : 'first'}.ts`,
        code: HEADER + (await withParts(root, compile(schemas, names, allErrors))),
      })),
    ),
  );
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  for (const { name, code } of modules) writeFileSync(join(out, name), code);
}

function compile(schemas, names, allErrors) {
  const code = { source: true, esm: true };
  const ajv = new Ajv2020({
    schemas,
    strict: true,
    allowUnionTypes: true,
    inlineRefs: false,
    messages: false,
    allErrors,
    code,
  });
  return standaloneCode(ajv, Object.fromEntries(names.map((name) => [asIdentifier(name), `${name}.schema.json`])));
}

function asIdentifier(name) {
  return name.replace(/-(.)/g, (_, letter) => letter.toUpperCase());
}

/** Ajv's code still calls `require` for its run-time parts, which no ES module has: esbuild takes them in. */
async function withParts(root, contents) {
  const result = await build({
    stdin: { contents, resolveDir: root },
    bundle: true,
    write: false,
    minify: true,
    format: 'esm',
    platform: 'neutral',
    mainFields: ['main'],
  });
  return result.outputFiles[0].text;
}
