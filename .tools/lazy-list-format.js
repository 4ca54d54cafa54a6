// Intl.ListFormat loads the rules of a language when it is created. This one does so when it first formats a list.
export class LazyListFormat {
  #options;

  constructor(...options) {
    this.#options = options;
  }

  format(list) {
    return new Intl['ListFormat'](...this.#options).format(list);
  }
}
