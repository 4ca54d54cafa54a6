/**
 * What is used of the package `yaml`, so that it can be loaded when there is YAML to read, and not before: it is CommonJS,
 * which a bundle gives by name only where it is imported by name.
 */
export { Composer, CST, isAlias, isMap, isScalar, isSeq, Lexer, LineCounter, Parser, stringify, visit } from 'yaml';
