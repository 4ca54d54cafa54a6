// Intl.ListFormat loads the rules of a language in its constructor. This replacement loads them in the first format call.
export class LazyListFormat {
  #options;

  constructor(...options) {
    this.#options = options;
  }

  format(list) {
    return new Intl['ListFormat'](...this.#options).format(list);
  }
}
