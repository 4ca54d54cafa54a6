/** The version of this package. A test checks that it equals that in package.json. */
export const version = '0.1.0';

/** Defined by the build. */
declare const MLIST_COMMIT: string | undefined;

/**
 * The commit from which the program was built, with `-dirty` if there were uncommitted changes. Undefined if the
 * program was not built, or not built from a git repository.
 */
export const commit = typeof MLIST_COMMIT === 'string' ? MLIST_COMMIT : undefined;
