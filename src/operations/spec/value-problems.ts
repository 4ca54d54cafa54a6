import type { Problem } from '../../errors/errors.ts';
import { pointerTo } from '../../json/pointer.ts';
import { error } from '../../schema/problems.ts';
import type { PlaceholderValues } from '../../schema/placeholder-values.ts';
import type { YamlReading } from '../../schema/yaml-document.ts';
import { hasPlaceholder } from './parse-spec.ts';
import type { SpecDocument } from './spec.ts';

/** This file finds problems of values for `${NAME}` in specs, and removes secret values from messages. */

/**
 * Returns a problem for each image with a value that contains a brace. Braces in images are reserved for platform
 * placeholders, which values cannot contain.
 */
export function valuesWithBraces(
  { manifests = [] }: SpecDocument,
  reading: YamlReading,
  base: string,
  values: PlaceholderValues | undefined,
): readonly Problem[] {
  if (values === undefined) return [];
  return manifests.flatMap((manifest, at) => {
    const pointer = pointerTo('manifests', at) + (typeof manifest === 'string' ? '' : '/image');
    const name = reading.valuesAt(base + pointer).find((one) => hasPlaceholder(values.textOf(one)));
    if (name === undefined) return [];
    return [
      error(
        'E-SPEC',
        pointer,
        `the value of \${${name}} contains a brace, but braces in an image are reserved for {os}, {arch} and {variant}`,
      ),
    ];
  });
}

/**
 * Minimum length of a value that is replaced. Shorter values are not treated as secret, because they may occur in a
 * message by chance.
 */
const MIN_SECRET = 4;

/**
 * A message about text with a secret value must not contain this many consecutive characters of the value, regardless
 * of case.
 */
const PART = 8;

/**
 * Replaces secret values in a message with their placeholders.
 * @param names - the names of the values in the text that the message is about. If a part of such a value remains, the
 * whole message is replaced
 */
export function withoutSecrets(
  message: string,
  values: PlaceholderValues | undefined,
  names: readonly string[],
): string {
  let shown = message;
  for (const [name, value] of values?.secrets ?? []) {
    if (value.length < MIN_SECRET) continue;
    for (const text of [value, JSON.stringify(value).slice(1, -1)]) shown = shown.replaceAll(text, () => `\${${name}}`);
    if (names.includes(name) && sharesPart(shown, value)) return `is invalid with the value of \${${name}}`;
  }
  return shown;
}

function sharesPart(message: string, value: string): boolean {
  const length = Math.min(PART, value.length);
  const parts = new Set(partsOf(message, length));
  return partsOf(value, length).some((part) => parts.has(part));
}

function partsOf(text: string, length: number): readonly string[] {
  const lower = text.toLowerCase();
  return Array.from({ length: Math.max(0, lower.length - length + 1) }, (_, at) => lower.slice(at, at + length));
}
