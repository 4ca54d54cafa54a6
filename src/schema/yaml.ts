import { isUtf8 } from 'node:buffer';
import type * as Yaml from 'yaml';
import type { PlaceholderValues } from './placeholder-values.ts';
import { error } from './problems.ts';
import type { Place, PlacedProblem, YamlDocument } from './yaml-document.ts';
import { MAX_DEPTH, TOO_DEEP, YamlNodes, type YamlText } from './yaml-nodes.ts';

/** This file reads YAML 1.2 and JSON strictly, and writes YAML. Each problem has a line and a column. */

/** A file with more bytes is reported as a problem. */
export const MAX_YAML_BYTES = 8 * 1024 * 1024;

/** Maximum number of tokens in one document: enough for a list of about 50 000 images. It limits memory use. */
const MAX_LEXEMES = 500_000;

/** Maximum number of syntax errors to report for one document. */
const MAX_SYNTAX_ERRORS = 20;

/**
 * Reads the documents of a file one after another, so that only one is in memory. A document with syntax errors does
 * not affect the others: `---` at the beginning of a line always begins a new document (YAML 1.2.2, 9.1).
 * @param values - the values of placeholders. They are inserted into parsed strings, so that a value never changes the
 * structure of a document
 */
export async function* readYaml(bytes: Uint8Array, values?: PlaceholderValues): AsyncGenerator<YamlDocument> {
  const problem = fileProblem(bytes);
  if (problem !== undefined) {
    yield { place: problem, problems: [problem] };
    return;
  }
  const yaml = await import('yaml');
  const text = Buffer.from(bytes)
    .toString('utf8')
    .replace(/^\ufeff/, '');
  for (const chunk of chunksOf(text)) {
    const document = readChunk(yaml, chunk, values);
    if (document !== undefined) yield document;
  }
}

/** Writes a document as YAML 1.2. All strings except keys are quoted, so that no reader parses them as another type. */
export async function writeYaml(value: object): Promise<string> {
  const { stringify } = await import('yaml');
  return stringify(value, { defaultStringType: 'QUOTE_DOUBLE', defaultKeyType: 'PLAIN', lineWidth: 0 });
}

function fileProblem(bytes: Uint8Array): PlacedProblem | undefined {
  const start = { line: 1, column: 1 };
  if (bytes.length > MAX_YAML_BYTES) {
    const message = `has ${bytes.length} bytes, more than the limit of ${MAX_YAML_BYTES}`;
    return { ...error('E-SPEC', '', message), ...start };
  }
  if (isUtf8(bytes)) return undefined;
  const isUtf16 = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
  if (isUtf16) return { ...error('E-SPEC', '', 'is encoded in UTF-16: save it as UTF-8'), ...start };
  return { ...error('E-SPEC', '', 'this line is not valid UTF-8'), line: firstBadLine(bytes), column: 1 };
}

function firstBadLine(bytes: Uint8Array): number {
  let line = 1;
  for (let start = 0; start < bytes.length; line += 1) {
    const end = bytes.indexOf(0x0a, start);
    const next = end < 0 ? bytes.length : end + 1;
    if (!isUtf8(bytes.subarray(start, next))) return line;
    start = next;
  }
  return line;
}

interface Chunk {
  readonly text: string;
  /** Number of lines before the chunk. */
  readonly lines: number;
}

/** Splits the text before each line that begins with `---`. `%YAML 1.1` and `%YAML 1.2` are treated as comments. */
function* chunksOf(text: string): Generator<Chunk> {
  const plain = text.replace(/^%(?=YAML[ \t]+1\.[12][ \t]*\r?$)/gm, '#');
  let [start, lines] = [0, 0];
  for (const { index } of plain.matchAll(/^---(?=[ \t\r\n]|$)/gm)) {
    if (index === start) continue;
    const chunk = plain.slice(start, index);
    yield { text: chunk, lines };
    lines += chunk.split('\n').length - 1;
    start = index;
  }
  yield { text: plain.slice(start), lines };
}

function readChunk(
  yaml: typeof Yaml,
  { text, lines }: Chunk,
  values: PlaceholderValues | undefined,
): YamlDocument | undefined {
  const counter = new yaml.LineCounter();
  const placeOf = (offset: number): Place => {
    const { line, col } = counter.linePos(offset);
    return { line: line + lines, column: Math.max(1, col) };
  };
  const composer = new yaml.Composer(options);
  try {
    const documents = [...composer.compose(guarded(yaml, text, counter), false, text.length)];
    const document = documents.find(({ contents, errors }) => errors.length > 0 || !isEmpty(yaml, contents));
    if (document === undefined) return undefined;
    const place = placeOf(document.contents?.range[0] ?? 0);
    const source = { text, values };
    const problems = problemsOf(yaml, document, source, placeOf);
    if (problems.length > 0) return { place, problems };
    const reading = new YamlNodes(yaml, document, source, placeOf);
    return { place, reading, problems: reading.problems };
  } catch (thrown) {
    if (!(thrown instanceof LimitExceeded)) throw thrown;
    const place = placeOf(thrown.offset);
    return { place, problems: [{ ...error('E-SPEC', '', thrown.message), ...place }] };
  }
}

const options = {
  version: '1.2',
  schema: 'core',
  resolveKnownTags: false,
  // The check for duplicate keys in the package takes quadratic time. YamlNodes reports them instead.
  uniqueKeys: false,
  stringKeys: true,
  prettyErrors: false,
  logLevel: 'silent',
} as const;

function isEmpty(yaml: typeof Yaml, contents: Yaml.ParsedNode | null): boolean {
  return contents === null || (yaml.isScalar(contents) && contents.value === null && contents.source === '');
}

function problemsOf(
  yaml: typeof Yaml,
  document: Yaml.Document.Parsed,
  { text, values }: YamlText,
  placeOf: (offset: number) => Place,
): readonly PlacedProblem[] {
  const errors = [...document.errors, ...document.warnings].slice(0, MAX_SYNTAX_ERRORS);
  const [first] = errors;
  // Inside [] and {}, a brace ends an unquoted string. The other errors are only consequences, so they are left out.
  if (values !== undefined && first !== undefined && text.startsWith('${', first.pos[0] - 1)) {
    const message = 'a string with a placeholder must be quoted inside [] and {}';
    return [{ ...error('E-SPEC', '', message), ...placeOf(first.pos[0] - 1) }];
  }
  return errors.map(({ code, message, pos }) => {
    const offset = code === 'MISSING_CHAR' ? startOfUnclosed(yaml, document, pos[0]) : pos[0];
    return { ...error('E-SPEC', '', message), ...placeOf(offset) };
  });
}

/** Returns the start of an unclosed quoted string, whose line is the one to correct, or `end` if all are closed. */
function startOfUnclosed(yaml: typeof Yaml, document: Yaml.Document.Parsed, end: number): number {
  let start = end;
  yaml.visit(document, {
    Scalar: (_, { type, range }) => {
      const isQuoted = type === 'QUOTE_DOUBLE' || type === 'QUOTE_SINGLE';
      if (isQuoted && range && range[0] < end && range[2] >= end - 1) start = range[0];
    },
  });
  return start;
}

/** Thrown as soon as a document exceeds a limit, before the rest of it is parsed. */
class LimitExceeded extends Error {
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

/** Tokens that open or precede a nested node. Long sequences of them cost memory and occur only in malicious specs. */
const openers = new Set<string | null>([
  ...['seq-item-ind', 'explicit-key-ind', 'map-value-ind', 'anchor', 'tag'],
  ...['flow-seq-start', 'flow-map-start'],
]);
const blanks = new Set<string | null>(['space', 'newline', 'comment']);

/** Control tokens of the lexer, which are not part of the text. */
const controlTokens = new Set<string | null>(['doc-mode', 'flow-error-end', 'scalar']);

/** Parses a text, and throws LimitExceeded if it has too many tokens or is nested too deeply. */
function* guarded(yaml: typeof Yaml, text: string, counter: Yaml.LineCounter): Generator<Yaml.CST.Token> {
  const parser = new yaml.Parser(counter.addNewLine);
  const { CST, Lexer } = yaml;
  let [count, depth, openersInRow, offset, isScalar] = [0, 0, 0, 0, false];
  counter.addNewLine(0);
  for (const lexeme of new Lexer().lex(text)) {
    const type = isScalar ? null : CST.tokenType(lexeme);
    if (type === 'flow-seq-start' || type === 'flow-map-start') depth += 1;
    else if (type === 'flow-seq-end' || type === 'flow-map-end') depth -= 1;
    openersInRow = openers.has(type) ? openersInRow + 1 : blanks.has(type) ? openersInRow : 0;
    count += 1;
    if (depth > MAX_DEPTH || openersInRow > MAX_DEPTH) throw new LimitExceeded(TOO_DEEP, offset);
    if (count > MAX_LEXEMES) {
      throw new LimitExceeded(`has more than ${MAX_LEXEMES} tokens: split it into several documents`, offset);
    }
    if (!controlTokens.has(type)) offset += lexeme.length;
    isScalar = type === 'scalar';
    yield* parser.next(lexeme);
  }
  yield* parser.end();
}
