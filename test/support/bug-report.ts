/** Matches the output of mlist when it reports a bug in itself. */
export const bug = /ERR_MLIST_UNEXPECTED|unexpected error|bug in mlist/;
