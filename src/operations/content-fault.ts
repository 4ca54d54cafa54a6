import { errorCode } from '../errors/errors.ts';

/** Maximum depth to which nested lists are read, which is the depth that the rules allow (docs/rules.md, W-NESTED). */
export const MAX_LIST_DEPTH = 4;

export const TOO_DEEP = 'the index is nested too deeply';
export const TOO_MANY = 'not read: the list refers to too many manifests';

/**
 * Describes a fault of the content itself, because of which clients fail, too: it is missing or invalid. Undefined if
 * the read failed for another reason.
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
