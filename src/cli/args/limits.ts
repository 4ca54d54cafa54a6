/** No file that a command reads, and no stdin, has more; each kind of document has its own limit, which is not larger. */
export const MAX_INPUT_BYTES = 16 * 1024 * 1024;
