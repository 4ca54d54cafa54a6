import type { PageContent } from './document.ts';
import { markup } from './html.ts';
import { jsonSection } from './json-section.ts';
import { alert } from './parts.ts';

export interface Problem {
  readonly heading: string;
  readonly message: string;
  /** The document, if it was read but cannot be displayed as a list or an image. */
  readonly bytes?: Uint8Array | undefined;
}

/** Returns a page that states why content cannot be displayed. */
export function problemPage({ heading, message, bytes }: Problem, trail: PageContent['trail']): PageContent {
  const body = markup`<h1>${heading}</h1>
${alert(message)}
${bytes !== undefined && markup`<h2>Document</h2>\n${jsonSection(bytes)}`}`;
  return { title: `${heading} · mlist`, trail, body };
}
