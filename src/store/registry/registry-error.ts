import type { Diagnostic } from '../../errors/errors.ts';

const MAX_DIAGNOSTICS = 10;
const MAX_CODE = 80;
const MAX_TEXT = 300;
const MAX_DEPTH = 4;

/** The members of a `detail` whose value is a sentence. Their names are not shown. */
const sentences = new Set(['message', 'description', 'reason', 'error']);

/**
 * Parses the errors of a registry (distribution-spec v1.1.1 "Error Codes"). Registries deviate from the spec in many
 * ways, so each member is read separately, and a member of an unexpected type is ignored.
 * @param redact - removes secrets. It is applied before a text is shortened, so that no part of a secret is shown
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

/** Whether a registry refuses a manifest because content that it refers to is missing. */
export function namesUnknownContent(diagnostics: readonly Diagnostic[] = []): boolean {
  return diagnostics.some(({ code }) => unknownContent.has(code));
}

/** The code, message and detail in one line. */
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

/** A value for messages: strings unchanged, members as `name: value`, and nothing for null and empty values. */
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
