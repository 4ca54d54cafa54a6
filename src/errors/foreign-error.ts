/**
 * A safe copy of an error from Node or another package. The original may contain a request with headers and
 * credentials. The copy keeps the stack frames.
 */
export class ForeignError extends Error {
  override readonly name: string;
  readonly code?: string;
  readonly syscall?: string;
  readonly address?: string;
  readonly port?: number;
  /** The errors of an AggregateError. */
  readonly errors?: readonly ForeignError[];

  /**
   * @param isPart - whether the value is one of the errors of an AggregateError. If so, its own `errors` are omitted,
   * because an AggregateError may contain itself
   */
  constructor(thrown: unknown, isPart = false) {
    super(foreignMessage(thrown));
    const { name, code, syscall, address, port, stack, errors } = membersOf(thrown);
    this.name = typeof name === 'string' ? redact(name) : 'Error';
    Object.defineProperty(this, 'name', { enumerable: false });
    if (typeof code === 'string') this.code = redact(code);
    if (typeof syscall === 'string') this.syscall = redact(syscall);
    if (typeof address === 'string') this.address = redact(address);
    if (typeof port === 'number') this.port = port;
    if (!isPart && Array.isArray(errors)) this.errors = errors.map((error) => new ForeignError(error, true));
    Object.defineProperty(this, 'stack', {
      value: [`${this.name}: ${this.message}`, ...framesOf(stack)].join('\n'),
      writable: true,
    });
  }

  toJSON(): object {
    const { name, message, code, syscall, address, port, errors } = this;
    return { name, message, code, syscall, address, port, errors };
  }
}

/** Returns the message of a thrown value, without credentials. */
export function foreignMessage(thrown: unknown): string {
  const { message } = membersOf(thrown);
  if (typeof message === 'string') return redact(message);
  return redact(typeof thrown === 'string' ? thrown : `a value of type ${typeof thrown} was thrown`);
}

/**
 * Returns the members of a thrown object, or an empty object for other values. `instanceof Error` is not used, because
 * it is false for errors of other realms, such as in a test runner.
 */
function membersOf(thrown: unknown): Readonly<Record<string, unknown>> {
  return typeof thrown === 'object' && thrown !== null ? (thrown as Readonly<Record<string, unknown>>) : {};
}

function framesOf(stack: unknown): readonly string[] {
  if (typeof stack !== 'string') return [];
  return stack.split('\n').flatMap((line) => (/^ +at /.test(line) ? [redact(line)] : []));
}

/**
 * Masks the user info and the query of URLs, and the credentials of `Authorization` headers. Removes the excerpt of the
 * document from errors of JSON.parse.
 */
function redact(text: string): string {
  return text
    .replace(/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/?#"'@]*@/gi, '$1***@')
    .replace(/\b(https?:\/\/[^\s"'?#]*)\?[^\s"'#]*/gi, '$1?***')
    .replace(/\b(basic|bearer) +[\w.~+/=-]+/gi, '$1 ***')
    .replace(/(?:\.\.\.)?"[^]*"(?:\.\.\.)? is not valid JSON/, 'the text is not valid JSON');
}
