// Replaces packages that got imports and mlist never uses (bundle.js). Using one of them is an error.
function unused() {
  throw new Error('this part of got is not in the bundle');
}

export default unused;
export class CacheError extends Error {}
export class FormDataEncoder {
  constructor() {
    unused();
  }
}
export const isFormData = () => false;
