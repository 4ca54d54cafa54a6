/** What mlist prints where it reports a bug of its own. */
export const bug = /ERR_MLIST_UNEXPECTED|unexpected fault|bug in mlist/;
