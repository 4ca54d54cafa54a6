/** The address of the next page: `Link: </v2/NAME/tags/list?last=x>; rel="next"` (RFC 8288); undefined on the last one. */
export function nextPage(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  for (const [, target = '', parameters = ''] of header.matchAll(/<([^>]*)>((?:\s*;\s*[^,<"]*(?:"[^"]*")?)*)/g)) {
    if (/;\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next\b)/i.test(parameters)) return target;
  }
  return undefined;
}
