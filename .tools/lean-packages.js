import { readFileSync } from 'node:fs';

// What is left out of the packages that are bundled, or put off, since it would cost every start of the program.

// What got could do and is never asked for here, with the packages and modules of Node's that it would load for it: HTTP/2,
// a cache of answers, a cache of names, forms, compressed bodies. Who asks for it all the same gets an error.
const unused = {
  'http2-wrapper': 'export default {};',
  'cacheable-request': 'export class CacheError extends Error {} export default class {}',
  'cacheable-lookup': 'export default class {}',
  'decompress-response': "export default () => { throw new Error('bodies are not decompressed here'); };",
  'form-data-encoder': 'export class FormDataEncoder {} export const isFormData = () => false;',
};

// got checks its options with a package that makes two formatters for its messages when it is loaded. The first one loads
// the rules of a language, which takes as long as all else of a request; they are made when there is a message.
const formatter = /^const (\w+) = new Intl\.ListFormat\((.*)\);$/gm;

function withLazyFormatters(source) {
  const lazy = source.replace(formatter, 'const $1 = { format: (list) => new Intl.ListFormat($2).format(list) };');
  if (lazy === source) throw new Error('@sindresorhus/is makes its formatters in another way: see lean-packages.js');
  return lazy;
}

export const leanPackages = {
  name: 'lean-packages',
  setup(builder) {
    const filter = new RegExp(`^(?:${Object.keys(unused).join('|')})$`);
    builder.onResolve({ filter }, ({ path }) => ({ path, namespace: 'unused' }));
    builder.onLoad({ filter: /.*/, namespace: 'unused' }, ({ path }) => ({ contents: unused[path] }));
    builder.onLoad({ filter: /@sindresorhus[\\/]is[\\/]distribution[\\/]index\.js$/ }, ({ path }) => ({
      contents: withLazyFormatters(readFileSync(path, 'utf8')),
    }));
  },
};
