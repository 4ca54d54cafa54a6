import type { HttpResponse } from './response.ts';

/** What registries say beside their answers. */

/** Docker Hub's count of what may still be pulled (docs.docker.com "Docker Hub pull usage and limits"). */
export interface RateLimit {
  readonly limit: number;
  readonly remaining: number;
  /** The seconds that the limit is for. */
  readonly window?: number;
}

/** `ratelimit-limit: 100;w=21600` and `ratelimit-remaining: 76;w=21600`; undefined where either is not there. */
export function rateLimitIn(headers: HttpResponse['headers']): RateLimit | undefined {
  const limit = parseCount(headers['ratelimit-limit']);
  const remaining = parseCount(headers['ratelimit-remaining']);
  if (limit === undefined || remaining === undefined) return undefined;
  const window = limit.window ?? remaining.window;
  return { limit: limit.count, remaining: remaining.count, ...(window === undefined ? {} : { window }) };
}

function parseCount(header: string | undefined): { readonly count: number; readonly window?: number } | undefined {
  const [, count, window] = /^\s*(\d{1,9})(?:\s*;\s*w=(\d{1,9}))?/.exec(header ?? '') ?? [];
  if (count === undefined) return undefined;
  return { count: Number(count), ...(window === undefined ? {} : { window: Number(window) }) };
}

/** Most of what a registry's warnings may say in one answer (distribution-spec v1.1.1 "Warnings"). */
const MAX_WARNING_BYTES = 4096;

/** The texts of `Warning: 299 - "text"`; any other form is not one that registries use. */
export function warningsIn(header: string | undefined): readonly string[] {
  if (header === undefined || Buffer.byteLength(header) > MAX_WARNING_BYTES) return [];
  return [...header.matchAll(/(?:^|,)\s*299\s+-\s+"((?:[^"\\]|\\.)*)"\s*(?=,|$)/g)]
    .map(([, text = '']) => text.replace(/\\(.)/g, '$1').trim())
    .filter((text) => text !== '');
}
