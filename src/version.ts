/** The version of this package. A test checks that package.json has the same version. */
export const version = '0.1.0';

/** Defined by the build. */
declare const MLIST_COMMIT: string | undefined;

/**
 * The commit from which the program was built, with `-dirty` if there were uncommitted changes. Undefined if the
 * program runs from source, or was not built in a git repository.
 */
export const commit = typeof MLIST_COMMIT === 'string' ? MLIST_COMMIT : undefined;
