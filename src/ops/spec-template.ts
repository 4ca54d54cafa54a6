import { MlistError } from '../errors.ts';
import type { Platform } from '../oci/platform.ts';

/** Placeholders in the images of a spec: `{os}`, `{arch}`, `{variant}`. */

export function hasPlaceholder(text: string): boolean {
  return /[{}]/.test(text);
}

/**
 * Fills in a platform; what it does not have is empty.
 * @throws MlistError `ERR_MLIST_DOCUMENT_INVALID` for a placeholder that is none, or a brace without its other half
 */
export function expandTemplate(template: string, { os, architecture, variant = '' }: Platform): string {
  const values: Readonly<Record<string, string>> = { os, arch: architecture, variant };
  const filled = template.replace(/\{([^{}]*)\}/g, (whole, name: string) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value === undefined) throw refused(`there is no placeholder ${whole}: {os}, {arch} and {variant} are known`);
    return value;
  });
  if (/[{}]/.test(filled)) throw refused(`a brace stands alone in ${JSON.stringify(template)}`);
  return filled;
}

function refused(message: string): MlistError {
  return new MlistError('ERR_MLIST_DOCUMENT_INVALID', message);
}
