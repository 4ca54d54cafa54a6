import type { Problem } from '../../errors/errors.ts';
import { pointerTo } from '../../json/pointer.ts';
import { error } from '../../schema/problems.ts';
import type { PlaceholderValues } from '../../schema/placeholder-values.ts';
import type { YamlReading } from '../../schema/yaml-document.ts';
import { hasPlaceholder } from './parse-spec.ts';
import type { SpecDocument } from './spec.ts';

/** Problems of specs with values for `${NAME}`, and messages without the secret ones. */

/**
 * Problems of values with braces in images, where braces are placeholders for platforms: values are never parsed again.
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
    return [error('E-SPEC', pointer, `the value of \${${name}} contains a brace, which an image cannot have`)];
  });
}

/** Shorter values are not replaced, because they are no secrets and may occur in any message by chance. */
const MIN_SECRET = 4;

/**
 * A message must not contain this number of consecutive characters of a secret value, compared without regard to case.
 */
const PART = 8;

/**
 * A message in which secret values are replaced by their placeholders.
 * @param names - the values in the text that the message is about. If a part of one remains, the message is replaced
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
