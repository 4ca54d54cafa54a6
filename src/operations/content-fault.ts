import { errorCode } from '../errors/errors.ts';

/** Maximum depth to which nested lists are read (docs/output.md). */
export const MAX_LIST_DEPTH = 4;

export const TOO_DEEP = 'the index is nested too deeply';
export const TOO_MANY = 'not read: the list refers to too many manifests';

/**
 * Returns the reason why content cannot be used, if a read failed because the content is missing or invalid. Clients
 * fail on such content, too. Returns undefined for other errors, such as network errors.
 */
export function contentFault(error: unknown): string | undefined {
  switch (errorCode(error)) {
    case 'ERR_MLIST_NOT_FOUND':
      return 'the content is missing';
    case 'ERR_MLIST_DOCUMENT_INVALID':
      return 'the document is invalid';
    case 'ERR_MLIST_CONTENT_MISMATCH':
      return 'the content does not match its entry';
    default:
      return undefined;
  }
}
