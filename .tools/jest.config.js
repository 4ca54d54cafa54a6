import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Real sockets, real folders, no module mocks: the transform only strips the types. */
export default {
  rootDir: dirname(dirname(fileURLToPath(import.meta.url))),
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
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
  testTimeout: 60_000,
  maxWorkers: 2,
  coverageProvider: 'v8',
  collectCoverageFrom: ['src/**/*.ts', '!src/schema/compiled/**'],
};
