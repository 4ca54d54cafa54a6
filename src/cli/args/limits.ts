/** The size limit of input files and stdin. The limits of the document types are at most as large. */
export const MAX_INPUT_BYTES = 16 * 1024 * 1024;
