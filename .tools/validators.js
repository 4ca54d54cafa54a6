// Compiles the JSON schemas to functions at build time, because compiling them at run time is slow.
// Each group of schemas becomes two modules, which export a function for each schema. The functions of `GROUP-first` stop at
// the first error, so they are safe for any document. Those of `GROUP-all` list every error, and are for small documents.
import { Ajv2020 } from 'ajv/dist/2020.js';
import standaloneCode from 'ajv/dist/standalone/index.js';
import { build } from 'esbuild';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const HEADER = '// @ts-nocheck\n// Generated from schemas/ by .tools/validators.js.\n';

// The schemas of a group share the code for common parts, such as descriptors.
const GROUPS = {
  documents: ['descriptor', 'docker-manifest-list', 'image-config', 'image-index', 'image-manifest'],
  draft: ['draft'],
  state: ['state'],
  specs: ['spec', 'manifest-tool'],
  'docker-archive': ['docker-archive'],
  'docker-config': ['docker-config'],
};

/**
 * Compiles the schemas that mlist uses at run time. Only the tests use those in schemas/output.
 *
 * @returns the metafiles of esbuild, which name the packages whose code is in the modules
 */
export async function compileValidators(root) {
  const folder = join(root, 'schemas');
  const out = join(root, 'src', 'schema', 'compiled');
  const files = readdirSync(folder).filter((name) => name.endsWith('.schema.json'));
  const grouped = new Set(Object.values(GROUPS).flatMap((names) => names.map((name) => `${name}.schema.json`)));
  const ungrouped = files.filter((name) => !grouped.has(name));
  if (ungrouped.length > 0) throw new Error(`add these schemas to a group of validators: ${ungrouped.join(', ')}`);
  const schemas = files.map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')));
  const modules = await Promise.all(
    Object.entries(GROUPS).flatMap(([group, names]) =>
      [false, true].map(async (allErrors) => ({
        name: `${group}-${allErrors ? 'all' : 'first'}.ts`,
        ...(await withParts(root, compile(schemas, names, allErrors))),
      })),
    ),
  );
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  for (const { name, code } of modules) writeFileSync(join(out, name), HEADER + code);
  return modules.map(({ metafile }) => metafile);
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

/** Bundles the run-time parts of Ajv, which its code loads with `require`: ES modules have no `require`. */
async function withParts(root, contents) {
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: root },
    bundle: true,
    write: false,
    metafile: true,
    absWorkingDir: root,
    minify: true,
    format: 'esm',
    platform: 'neutral',
    mainFields: ['main'],
  });
  return { code: outputFiles[0].text, metafile };
}
