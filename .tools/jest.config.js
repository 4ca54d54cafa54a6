import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const isLong = process.env.MLIST_TEST_LONG === '1';

/** Real sockets, real folders, no module mocks: the transform only strips the types. */
export default {
  rootDir: dirname(dirname(fileURLToPath(import.meta.url))),
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
  testEnvironment: 'node',
  setupFiles: ['<rootDir>/test/support/seed.ts'],
  // Only a test that hangs takes this long, also on a busy machine.
  testTimeout: isLong ? 1_800_000 : 300_000,
  // Twice the cores of a small machine: many suites wait more than they compute.
  maxWorkers: 4,
  // Contexts of earlier suites are not freed. A large process also takes longer to end than Jest waits for, on a busy machine.
  workerIdleMemoryLimit: '300MB',
  workerGracefulExitTimeout: 30_000,
  coverageProvider: 'v8',
  collectCoverageFrom: ['src/**/*.ts', '!src/*/compiled/**'],
};
