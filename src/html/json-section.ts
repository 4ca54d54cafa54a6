import { readJson } from '../json/parse.ts';
import { writeJson } from '../json/stringify.ts';
import { escapeJson } from '../text/escape.ts';
import { byteSize } from '../text/quantity.ts';
import { clipped, markup, type Html } from './html.ts';

const MAX_CHARACTERS = 256 * 1024;

/** Returns a section with a document. JSON is indented; other content is displayed as text. */
export function jsonSection(bytes: Uint8Array): Html {
  const { value } = readJson(bytes);
  const text = value === undefined ? Buffer.from(bytes).toString('utf8') : writeJson(value, { indent: '  ' });
  return markup`<details><summary>Show the document (${byteSize(bytes.length)})</summary>
<pre tabindex="0" role="region" aria-label="Document">${clipped(escapeJson(text), MAX_CHARACTERS)}</pre>
</details>`;
}
