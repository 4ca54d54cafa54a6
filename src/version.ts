/** The version of this package, as in package.json: a test holds the two together. */
export const version = '0.1.0';

/** Set by the build. */
declare const MLIST_COMMIT: string | undefined;

/**
 * The commit from which the program was built, with `-dirty` if the sources were changed. Undefined without a build, and if
 * the sources were not in a git repository.
 */
export const commit = typeof MLIST_COMMIT === 'string' ? MLIST_COMMIT : undefined;
