import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const isLong = process.env.MLIST_TEST_LONG === '1';

/** The tests use real sockets and folders, and no module mocks. The transform only strips the types. */
export default {
  rootDir: dirname(dirname(fileURLToPath(import.meta.url))),
  // Not below TMPDIR, which may be new for each run.
  cacheDirectory: '<rootDir>/node_modules/.cache/jest',
  roots: ['<rootDir>/test'],
  testMatch: [isLong ? '**/*.long.test.ts' : '**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/test/bench/'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2023' }, module: { type: 'es6' } },
    ],
  },
  runtime: '<rootDir>/.tools/test-runtime.cjs',
  testEnvironment: '<rootDir>/.tools/test-environment.js',
  // Even on a busy machine only a test that hangs reaches the timeout.
  testTimeout: isLong ? 1_800_000 : 300_000,
  // More workers than the cores of a small machine, because many suites wait more than they compute.
  maxWorkers: 4,
  // Jest does not free all memory of earlier suites, and a large process may not end in time on a busy machine.
  workerIdleMemoryLimit: '500MB',
  workerGracefulExitTimeout: 30_000,
  coverageProvider: 'v8',
  collectCoverageFrom: ['src/**/*.ts', '!src/*/compiled/**'],
};
