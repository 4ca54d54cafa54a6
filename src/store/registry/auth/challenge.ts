/**
 * A challenge in a `WWW-Authenticate` header (RFC 9110 section 11.6.1). The scheme and the parameter names are in lower
 * case.
 */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const schemeStart = new RegExp(`\\s*(${token})(?:[ \\t]+|$|(?=\\s*,))`, 'y');
const parameter = new RegExp(`\\s*(${token})[ \\t]*=[ \\t]*(?:"((?:[^"\\\\]|\\\\.)*)"|(${token})|)`, 'y');
const token68 = /\s*[A-Za-z0-9._~+/-]+=*[ \t]*(?=,|$)/y;
const comma = /\s*,/y;

/**
 * Parses the challenges in the first 16 KiB of a header. There may be several, for example because Node joins repeated
 * headers with commas. Stops at a syntax error, and returns the challenges and parameters before it.
 */
export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: Challenge[] = [];
  const reader = new HeaderReader(header.slice(0, 16_384));
  while (!reader.atEnd) {
    while (reader.match(comma) !== null);
    const scheme = reader.match(schemeStart)?.[1];
    if (scheme === undefined) break;
    challenges.push({ scheme: scheme.toLowerCase(), parameters: parametersOf(reader) });
  }
  return challenges;
}

function parametersOf(reader: HeaderReader): Readonly<Record<string, string>> {
  const parameters: Record<string, string> = {};
  if (reader.match(token68) !== null) return parameters;
  for (;;) {
    const start = reader.position;
    while (reader.match(comma) !== null);
    const match = reader.match(parameter);
    if (match === null) {
      reader.position = start;
      return parameters;
    }
    const [, name = '', quoted, plain] = match;
    parameters[name.toLowerCase()] ??= quoted === undefined ? (plain ?? '') : quoted.replace(/\\(.)/g, '$1');
  }
}

class HeaderReader {
  readonly #text: string;
  position = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get atEnd(): boolean {
    return this.position >= this.#text.length;
  }

  /** Matches a sticky regular expression at `position`, and moves `position` to the end of the match. */
  match(sticky: RegExp): RegExpExecArray | null {
    sticky.lastIndex = this.position;
    const match = sticky.exec(this.#text);
    if (match !== null) this.position = sticky.lastIndex;
    return match;
  }
}
