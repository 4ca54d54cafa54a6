import { build, transform } from 'esbuild';
import { basename } from 'node:path';

// The program is cut into parts as ES modules, since only these can be cut, and then turned into CommonJS, which Node starts
// quicker. A bundler that cuts makes a part of what any two of its parts share, however small: a start then reads some twenty
// files, most of them of a few lines. What is nearly always loaded together is joined again here.

/**
 * The files of the program, by path.
 * @param bundle - of esbuild, split, as ES modules, with `metafile`
 * @param heads - names of modules: each is joined with all that it loads and no head before it does
 */
export async function asCommonJs(bundle, heads) {
  const files = bundle.outputFiles.filter(({ path }) => path.endsWith('.js'));
  const texts = new Map(files.map(({ path, text }) => [basename(path), text]));
  refuseNameless(bundle.metafile.outputs);
  const joined = joinedTo(heads, bundle.metafile.outputs);
  const parts = files.filter(({ path }) => !joined.has(basename(path)));
  return Promise.all(
    parts.map(async ({ path }) => {
      const name = basename(path);
      const members = [...joined].filter(([, head]) => head === name).map(([member]) => member);
      const text = await (members.length === 0 ? turn(texts.get(name)) : join(name, members, texts));
      return { path, text: redirect(text, joined) };
    }),
  );
}

/** A CommonJS package that is a part of its own has lost the names of what it exports: whoever imports it gets undefined. */
function refuseNameless(outputs) {
  for (const { entryPoint = '', exports } of Object.values(outputs))
    if (entryPoint.includes('node_modules') && exports.join() === 'default')
      throw new Error(`${entryPoint} is CommonJS: the names that it exports are lost when it is loaded late`);
}

/** By the name of a part: that of the head which it is joined to. */
function joinedTo(heads, metadata) {
  const outputs = new Map(Object.entries(metadata).map(([path, output]) => [basename(path), output]));
  const names = heads.map((head) => [...outputs.keys()].find((name) => name.startsWith(`${head}-`)));
  const joined = new Map();
  for (const head of names)
    for (const name of loadedWith(head, outputs))
      if (!names.includes(name) && !joined.has(name)) joined.set(name, head);
  return joined;
}

/** The names of a part and of all that it loads at once. */
function loadedWith(name, outputs, found = new Set()) {
  if (found.has(name)) return found;
  found.add(name);
  for (const { path, kind, external } of outputs.get(name).imports)
    if (kind === 'import-statement' && external !== true) loadedWith(basename(path), outputs, found);
  return found;
}

function optionsFor(text) {
  const needsUrl = text.includes('import.meta.url');
  return {
    format: 'cjs',
    platform: 'node',
    target: 'node20.19',
    minify: true,
    supported: { 'dynamic-import': false },
    define: needsUrl ? { 'import.meta.url': '__url' } : {},
    banner: needsUrl ? "const __url=require('node:url').pathToFileURL(__filename).href;" : '',
  };
}

async function turn(text) {
  return (await transform(text, optionsFor(text))).code;
}

/** One file of a head and its members, which also hands on these, each under a name of its own. */
async function join(head, members, texts) {
  const { banner, ...options } = optionsFor([head, ...members].map((name) => texts.get(name)).join('\n'));
  const handedOn = members.map((name) => `export * as ${nameOf(name)} from './${name}';`);
  const { outputFiles } = await build({
    ...options,
    stdin: { contents: [`export * from './${head}';`, ...handedOn].join('\n') },
    bundle: true,
    write: false,
    banner: { js: banner },
    plugins: [fromMemory(new Set([head, ...members]), texts)],
  });
  return outputFiles[0].text;
}

/** Lets a part find at a head what was joined to it. */
function redirect(text, joined) {
  return text.replace(/require\("\.\/([\w-]+\.js)"\)/g, (whole, name) =>
    joined.has(name) ? `require("./${joined.get(name)}").${nameOf(name)}` : whole,
  );
}

function nameOf(part) {
  return part.replace(/\W/g, '_');
}

function fromMemory(names, texts) {
  return {
    name: 'from-memory',
    setup(builder) {
      builder.onResolve({ filter: /^\.\/[\w-]+\.js$/ }, ({ path }) =>
        names.has(basename(path)) ? { path: basename(path), namespace: 'parts' } : { path, external: true },
      );
      builder.onLoad({ filter: /.*/, namespace: 'parts' }, ({ path }) => ({ contents: texts.get(path) }));
    },
  };
}
