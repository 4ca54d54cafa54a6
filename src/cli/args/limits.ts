/** The size limit for input files and stdin, in bytes. No document type has a larger limit. */
export const MAX_INPUT_BYTES = 16 * 1024 * 1024;
