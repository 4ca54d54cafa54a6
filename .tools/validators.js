// Compiles the JSON schemas to plain functions, so that no command pays for compiling.
// Each schema becomes two modules: `NAME-first` stops at the first error and is safe on any document, `NAME-all` lists
// every error and is for documents that are small enough.
import { Ajv2020 } from 'ajv/dist/2020.js';
import standaloneCode from 'ajv/dist/standalone/index.js';
import { build } from 'esbuild';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const HEADER = '// @ts-nocheck\n// Made from schemas/ by .tools/validators.js when the project is built.\n';

/** The schemas that are checked when mlist runs; those under output/ are checked by the tests. */
export async function compileValidators(root) {
  const folder = join(root, 'schemas');
  const out = join(root, 'src', 'schema', 'compiled');
  const schemas = readdirSync(folder)
    .filter((name) => name.endsWith('.schema.json'))
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')));
  const modules = await Promise.all(
    schemas.flatMap(({ $id }) =>
      [false, true].map(async (allErrors) => ({
        name: `${$id.replace('.schema.json', '')}-${allErrors ? 'all' : 'first'}.ts`,
        code: HEADER + (await withParts(root, compile(schemas, $id, allErrors))),
      })),
    ),
  );
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  for (const { name, code } of modules) writeFileSync(join(out, name), code);
}

function compile(schemas, id, allErrors) {
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
  return standaloneCode(ajv, ajv.getSchema(id));
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
