// Links of the documentation that also work in the published package, which does not contain the whole repository.
import { existsSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';

/**
 * Replaces links to files that are not in the package.
 *
 * @param text a page in Markdown
 * @param options.page the path of the page in the repository
 * @param options.root the checkout
 * @param options.isPacked whether the package contains a path, of a file or a folder
 * @param options.repository where the files of the release can be read, such as `https://github.com/OWNER/NAME/blob/v1.0.0`. If it
 * is undefined, the text of the link remains
 * @throws if a link leads nowhere
 */
export function packedLinks(text, { page, root, isPacked, repository }) {
  return text.replaceAll(
    /(!?)\[([^\]]*)\]\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?\)/g,
    (link, image, label, target, anchor = '') => {
      const path = posix.join(posix.dirname(page), target).replace(/\/$/, '');
      if (path.startsWith('..') || !existsSync(join(root, path))) throw new Error(`${page}: there is no ${target}`);
      if (isPacked(path)) return link;
      if (repository === undefined) return label;
      const url = statSync(join(root, path)).isDirectory() ? repository.replace('/blob/', '/tree/') : repository;
      return `${image}[${label}](${url}/${path}${anchor})`;
    },
  );
}
