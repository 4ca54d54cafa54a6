// The runtime of the tests: that of Jest, with one change. The modules of src/ and of the packages are evaluated once for all
// suites of a worker, which saves an eighth of the time of a run: Node optimizes code that suites share. They are stateless,
// apart from caches for the life of a process. The modules of test/ are evaluated for each suite, since they define hooks.
const { sep } = require('node:path');
const { fileURLToPath } = require('node:url');
const { default: Runtime } = require('jest-runtime');

/** The evaluated modules by URL, and their source maps by path. */
const modules = new Map();
const sourceMaps = new Map();
/** Imports a module at run time in the suite that runs. */
let importNow;

module.exports = class extends Runtime {
  #folders;

  constructor(config, environment, resolver, transformer, cacheFS, coverage, ...rest) {
    super(config, environment, resolver, transformer, cacheFS, coverage, ...rest);
    // Jest reports the coverage only of modules that the suite itself has loaded.
    this.#folders = coverage?.collectCoverage
      ? []
      : ['src', 'node_modules'].map((name) => [config.rootDir, name, ''].join(sep));
    for (const [url, module] of modules) this.registries.getActiveEsmRegistry().set(url, module);
    for (const [path, map] of sourceMaps) this.getSourceMaps().set(path, map);
    const ownImport = this.esmLoader.dynamicImport;
    importNow = ownImport;
    this.esmLoader.dynamicImport = (specifier, from, ...more) =>
      (this.#isShared(from.identifier) ? importNow : ownImport)(specifier, from, ...more);
  }

  teardown() {
    for (const [url, module] of this.registries.getActiveEsmRegistry()) {
      const isFile = url.startsWith('file:') && module.status === 'evaluated';
      if (isFile && this.#isShared(fileURLToPath(url))) modules.set(url, module);
    }
    for (const [path, map] of this.getSourceMaps()) if (this.#isShared(path)) sourceMaps.set(path, map);
    super.teardown();
  }

  #isShared(path) {
    return this.#folders.some((folder) => path.startsWith(folder));
  }
};
