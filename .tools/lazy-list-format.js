// Intl.ListFormat loads the rules of a language in its constructor. This replacement loads them in the first format call.
export class LazyListFormat {
  #options;

  constructor(...options) {
    this.#options = options;
  }

  format(list) {
    // The build replaces the expression Intl.ListFormat, here too.
    const { ListFormat } = Intl;
    return new ListFormat(...this.#options).format(list);
  }
}
