import { createHash } from 'node:crypto';
import { Html, markup, type HtmlValue } from './html.ts';
import { script } from './script.ts';
import { style } from './style.ts';

/** The parts of a document that differ from page to page. */
export interface PageContent {
  /** Text of the title bar. */
  readonly title: string;
  /** The breadcrumb trail. The last item is the page itself. */
  readonly trail: readonly { readonly text: string; readonly href?: string | undefined }[];
  readonly body: Html;
}

/**
 * The content security policy of every page. It forbids all requests, and allows only the page's own style and script,
 * identified by their hashes. The registry also sends the policy as a header, and adds `frame-ancestors`, which
 * browsers ignore in a meta element.
 */
export const contentSecurityPolicy = [
  "default-src 'none'",
  `style-src ${hashOf(style)}`,
  `script-src ${hashOf(script)}`,
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}

const icon =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='4' fill='%230b57d0'/%3E%3Cpath d='M4 5h8M4 8h8M4 11h5' stroke='%23fff' stroke-width='1.6'/%3E%3C/svg%3E";

/** Returns a complete HTML document with its style and script. It loads nothing else. */
export function document({ title, trail, body }: PageContent): string {
  const { text } = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="content-security-policy" content="${contentSecurityPolicy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
<link rel="icon" href="${icon}">
<style>${new Html(style)}</style>
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<header><nav aria-label="Breadcrumb"><ol>${trail.map(step)}</ol></nav></header>
<main id="main" tabindex="-1">
${body}
</main>
<p id="status" role="status" class="unseen"></p>
<script>${new Html(script)}</script>
</body>
</html>
`;
  return text;
}

function step({ text, href }: PageContent['trail'][number], at: number, all: PageContent['trail']): HtmlValue {
  if (href !== undefined) return markup`<li><a href="${href}">${text}</a></li>`;
  return at === all.length - 1 ? markup`<li aria-current="page">${text}</li>` : markup`<li>${text}</li>`;
}
