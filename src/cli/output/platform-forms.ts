import { jsonObject, memberNames, type Json } from '../../json/json.ts';
import { formatPlatform, type Platform } from '../../oci/platform/platform.ts';

/**
 * The `--json` output contains each platform in two forms: as a string, for comparison and display, and as an object.
 * This file adds the form that a result lacks.
 */

/** An object with `platform` in one form, and with the other form as `platformName` or `platformObject`. */
export type WithPlatformForms<T> = T & { readonly platformName?: string; readonly platformObject?: Platform };

/**
 * Adds the other form of `platform`: `platformName` (such as `linux/arm64/v8`) if it is an object, `platformObject` if
 * it is a string. Nothing is added for a string that is not a platform, such as `unknown`.
 */
export function withPlatformForms<T extends { readonly platform?: Platform | string | undefined }>(
  object: T,
): WithPlatformForms<T> {
  const { platform } = object;
  if (platform === undefined) return object;
  const other =
    typeof platform === 'string'
      ? { platformObject: platformIn(platform) }
      : { platformName: formatPlatform(platform, { all: true }) };
  const members: Readonly<Record<string, unknown>> = object;
  const pairs = memberNames(object).flatMap((name): readonly (readonly [string, unknown])[] =>
    name === 'platform' ? [[name, platform], ...Object.entries(other)] : [[name, members[name]]],
  );
  return jsonObject(pairs as Iterable<readonly [string, Json | undefined]>) as unknown as WithPlatformForms<T>;
}

/** Matches `os[(version[+feature]*)]/architecture[/variant]`. */
const formatted = /^([^()/]+)(?:\(([^()/]*)\))?\/([^()/]+)(?:\/([^()/]+))?$/;

/** Parses the output of `formatPlatform` without normalising it. Returns undefined for any other string. */
function platformIn(text: string): Platform | undefined {
  const [, os, options = '', architecture, variant] = formatted.exec(text) ?? [];
  if (os === undefined || architecture === undefined) return undefined;
  const [version = '', ...features] = options.split('+').map(decoded);
  return {
    architecture,
    os,
    ...(version === '' ? {} : { 'os.version': version }),
    ...(features.length === 0 ? {} : { 'os.features': features }),
    ...(variant === undefined ? {} : { variant }),
  };
}

function decoded(option: string): string {
  return option.replace(/%(25|2B|28|29|2F)/g, (_match, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}
