import { isUtf8 } from 'node:buffer';
import type * as Yaml from 'yaml';
import { error } from './problems.ts';
import type { Place, PlacedProblem, YamlDocument } from './yaml-document.ts';
import { YamlNodes } from './yaml-reading.ts';

/** YAML 1.2 and JSON, strictly: bytes in, documents or problems out, each problem with its line and column. */

/** A file larger than this is no spec that somebody wrote. */
export const MAX_YAML_BYTES = 8 * 1024 * 1024;

/** Most lexical parts of one document, which is held as a whole: some 13 000 lists of four images. */
const MAX_LEXEMES = 500_000;

/** Deeper than any spec. */
const MAX_DEPTH = 50;

/** A document shows no more problems than this. */
const MAX_SHOWN = 20;

/**
 * Reads the documents of a file one after another, so that memory holds one at a time. A document that is damaged does not
 * touch the others: `---` at the beginning of a line begins a new one, whatever stands before it (YAML 1.2.2, 9.1).
 */
export async function* readYaml(bytes: Uint8Array): AsyncGenerator<YamlDocument> {
  const fault = faultOf(bytes);
  if (fault !== undefined) {
    yield { place: fault, problems: [fault] };
    return;
  }
  const yaml = await import('yaml');
  const text = Buffer.from(bytes)
    .toString('utf8')
    .replace(/^\ufeff/, '');
  for (const chunk of chunksOf(text)) {
    const document = readChunk(yaml, chunk);
    if (document !== undefined) yield document;
  }
}

/** Writes a document as YAML 1.2; every text stands in quotes, so that no reader takes it for anything else. */
export async function writeYaml(value: object): Promise<string> {
  const { stringify } = await import('yaml');
  return stringify(value, { defaultStringType: 'QUOTE_DOUBLE', defaultKeyType: 'PLAIN', lineWidth: 0 });
}

function faultOf(bytes: Uint8Array): PlacedProblem | undefined {
  const start = { line: 1, column: 1 };
  if (bytes.length > MAX_YAML_BYTES) {
    const message = `has ${bytes.length} bytes: a spec has at most ${MAX_YAML_BYTES}`;
    return { ...error('E-SPEC', '', message), ...start };
  }
  if (isUtf8(bytes)) return undefined;
  const isWide = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
  if (isWide) return { ...error('E-SPEC', '', 'is UTF-16: save it as UTF-8'), ...start };
  return { ...error('E-SPEC', '', 'is not UTF-8 from this line on'), line: firstBadLine(bytes), column: 1 };
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
  /** Lines before it. */
  readonly lines: number;
}

/** The text from one `---` to the next. A `%YAML` line says nothing that is not known: it counts as a comment. */
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

function readChunk(yaml: typeof Yaml, { text, lines }: Chunk): YamlDocument | undefined {
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
    const problems = problemsOf(yaml, document, placeOf);
    if (problems.length > 0) return { place, problems };
    const reading = new YamlNodes(yaml, document, placeOf);
    return { place, reading, problems: reading.problems };
  } catch (thrown) {
    if (!(thrown instanceof TooMuch)) throw thrown;
    const place = placeOf(thrown.offset);
    return { place, problems: [{ ...error('E-SPEC', '', thrown.message), ...place }] };
  }
}

const options = {
  version: '1.2',
  schema: 'core',
  resolveKnownTags: false,
  // Looked at when the document is read, where it takes less than the square of their number.
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
  placeOf: (offset: number) => Place,
): readonly PlacedProblem[] {
  return [...document.errors, ...document.warnings].slice(0, MAX_SHOWN).map(({ code, message, pos }) => {
    const offset = code === 'MISSING_CHAR' ? startOfOpen(yaml, document, pos[0]) : pos[0];
    return { ...error('E-SPEC', '', message), ...placeOf(offset) };
  });
}

/** Where the text begins that nobody has closed: that is the line to look at, not the end of the document. */
function startOfOpen(yaml: typeof Yaml, document: Yaml.Document.Parsed, end: number): number {
  let start = end;
  yaml.visit(document, {
    Scalar: (_, { type, range }) => {
      const isQuoted = type === 'QUOTE_DOUBLE' || type === 'QUOTE_SINGLE';
      if (isQuoted && range && range[0] < end && range[2] >= end - 1) start = range[0];
    },
  });
  return start;
}

/** Too much of something for a spec: found before memory has been spent on it. */
class TooMuch extends Error {
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

/** What opens something that is closed or filled later: many in a row are nothing that somebody wrote. */
const openers = new Set<string | null>([
  ...['seq-item-ind', 'explicit-key-ind', 'map-value-ind', 'anchor', 'tag'],
  ...['flow-seq-start', 'flow-map-start'],
]);
const blanks = new Set<string | null>(['space', 'newline', 'comment']);

/** Marks that the lexer puts between the parts of the text. */
const marks = new Set<string | null>(['doc-mode', 'flow-error-end', 'scalar']);

/** The tokens of the parser, as long as the text is of a size and depth that a spec can have. */
function* guarded(yaml: typeof Yaml, text: string, counter: Yaml.LineCounter): Generator<Yaml.CST.Token> {
  const parser = new yaml.Parser(counter.addNewLine);
  const { CST, Lexer } = yaml;
  let [count, depth, row, offset, isText] = [0, 0, 0, 0, false];
  counter.addNewLine(0);
  for (const lexeme of new Lexer().lex(text)) {
    const type = isText ? null : CST.tokenType(lexeme);
    if (type === 'flow-seq-start' || type === 'flow-map-start') depth += 1;
    else if (type === 'flow-seq-end' || type === 'flow-map-end') depth -= 1;
    row = openers.has(type) ? row + 1 : blanks.has(type) ? row : 0;
    count += 1;
    if (depth > MAX_DEPTH || row > MAX_DEPTH) throw new TooMuch('is nested too deeply', offset);
    if (count > MAX_LEXEMES) throw new TooMuch('holds too much for one document: spread it over several', offset);
    if (!marks.has(type)) offset += lexeme.length;
    isText = type === 'scalar';
    yield* parser.next(lexeme);
  }
  yield* parser.end();
}
