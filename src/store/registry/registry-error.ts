import type { Diagnostic } from '../../errors/errors.ts';

const MAX_DIAGNOSTICS = 10;
const MAX_CODE = 80;
const MAX_TEXT = 300;
const MAX_DEPTH = 4;

/** Members of a `detail` that contain a sentence. Messages contain their values, but not their names. */
const sentences = new Set(['message', 'description', 'reason', 'error']);

/**
 * Parses the errors in the body of a response (distribution-spec v1.1.1 "Error Codes"). Registries deviate from the
 * spec in many ways, so `errors` may be missing or a single error, and the members of an error may have any type.
 * @param redact - removes secrets. It is called before a string is shortened, so that no part of a secret remains
 */
export function readRegistryError(bytes: Uint8Array, redact: (text: string) => string): readonly Diagnostic[] {
  const document = parse(bytes);
  const errors = document['errors'] ?? document;
  const limited = (value: unknown, maxLength: number) => redact(textOf(value)).slice(0, maxLength);
  const all = (Array.isArray(errors) ? errors : [errors]).slice(0, MAX_DIAGNOSTICS).map((error: unknown) => {
    const { code, message, detail, details = detail } = isObject(error) ? error : { message: error };
    const reason = limited(details, MAX_TEXT);
    return {
      code: limited(code, MAX_CODE),
      message: limited(message, MAX_TEXT),
      ...(reason === '' ? {} : { detail: reason }),
    };
  });
  return all.filter(({ code, message, detail }) => code !== '' || message !== '' || detail !== undefined);
}

const unknownContent = new Set(['MANIFEST_BLOB_UNKNOWN', 'BLOB_UNKNOWN', 'MANIFEST_UNKNOWN']);

/** Whether an error reports that the registry lacks content that a manifest refers to. */
export function namesUnknownContent(diagnostics: readonly Diagnostic[] = []): boolean {
  return diagnostics.some(({ code }) => unknownContent.has(code));
}

/** Formats an error of a registry, such as `DENIED: access denied (quota exceeded)`. */
export function describeDiagnostic({ code, message, detail = '' }: Diagnostic): string {
  const isRepeated = message.includes(detail);
  const text = isRepeated ? message : message === '' ? detail : `${message} (${detail})`;
  return [code, text].filter((part) => part !== '').join(': ');
}

function parse(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const document: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return isObject(document) ? document : {};
  } catch {
    return {};
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Formats a value for messages. Trims strings, formats members as `name: value`, and leaves out null and empty values.
 */
function textOf(value: unknown, depth = 0): string {
  if (typeof value === 'string') return value.trim();
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (typeof value !== 'object' || value === null || depth >= MAX_DEPTH) return '';
  const texts = Object.entries(value).flatMap(([name, member]) => {
    const text = textOf(member, depth + 1);
    if (text === '') return [];
    return [Array.isArray(value) || sentences.has(name.toLowerCase()) ? text : `${name}: ${text}`];
  });
  return texts.join(Array.isArray(value) ? '; ' : ', ');
}
