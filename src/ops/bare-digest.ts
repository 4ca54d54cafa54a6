import { asMlistError, SeveralErrors, withHint, type MlistError } from '../errors.ts';
import { formatLocation, type Location } from '../oci/location.ts';
import { SomeMissing } from './missing-images.ts';

/** Adds to the failure of reading an image that was given by its digest alone how to name its repository. */
export async function withRepositoryHint<T>(reading: Promise<T>, location: Location): Promise<T> {
  return reading.catch((thrown: unknown) => {
    const error = asMlistError(thrown);
    const [first = error, ...more] = error instanceof SeveralErrors ? error.errors : [error];
    throw SeveralErrors.of([hinted(first, location), ...more.map((one) => hinted(one, location))]);
  });
}

function hinted(error: MlistError, location: Location): MlistError {
  // The repository is right if it has other images of the index.
  if (error instanceof SomeMissing) return error;
  const { code, facts } = error;
  const [repository = ''] = formatLocation(location).split('@');
  const where =
    `A digest without a repository is looked for in ${repository}. ` +
    'If the image is in another repository, write REPO@DIGEST, or name the repository with "mlist create --repo REPO".';
  if (code === 'ERR_MLIST_NOT_FOUND') return withHint(error, where);
  if (code !== 'ERR_MLIST_UNAUTHORIZED') return error;
  return withHint(error, `${facts.hint ?? ''} ${where}`.trim());
}
