import { MlistError } from '../errors/errors.ts';
import { isDigestName, type Digest } from './digest.ts';
import { formatReference, parseReference, withDefaultTag, type Reference } from './reference.ts';

/**
 * An image in a container engine on this machine or in another Docker context:
 * `docker-daemon[@CONTEXT]:NAME[:TAG][@DIGEST]` · `podman:NAME[:TAG][@DIGEST]`. An image ID (`sha256:...`) can
 * replace `NAME[:TAG]`. `docker-daemon:` is the same prefix as in skopeo and buildah. The prefixes take precedence over
 * registries with the host name `podman` or `docker-daemon`.
 */
export interface EngineLocation {
  readonly kind: EngineKind;
  /** The Docker context. If it is absent, the engine is the one that the docker CLI uses. */
  readonly context?: string;
  /** The name or the ID of the image. A name that has neither a tag nor a digest gets the tag `latest`. */
  readonly image: Reference | Digest;
  /** The digest of a manifest in the image, for example for one platform. */
  readonly digest?: Digest;
}

export type EngineKind = 'docker-daemon' | 'podman';

const prefix = /^(docker-daemon|podman)(?:@([^:/]*))?:/;

/** The names that docker allows for contexts. */
const contextName = /^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$/;

/** Whether a string starts with the prefix of an engine, such as `docker-daemon:` or `docker-daemon@desktop:`. */
export function isEngineLocation(text: string): boolean {
  return prefix.test(text);
}

/**
 * Parses the location of an engine image.
 * @throws MlistError `ERR_MLIST_REFERENCE_INVALID` if the location is invalid
 */
export function parseEngineLocation(text: string): EngineLocation {
  const [start = '', kind, context] = prefix.exec(text) ?? [];
  const engine = { kind: kind as EngineKind, ...(context === undefined ? {} : { context }) };
  if (context !== undefined && kind === 'podman')
    throw invalid(text, 'podman has no contexts: set CONTAINER_HOST instead');
  if (context !== undefined && !contextName.test(context)) throw invalid(text, 'the context name is invalid');
  const rest = text.slice(start.length);
  if (rest === '') throw invalid(text, 'the image name is missing');
  if (rest.startsWith('//'))
    throw invalid(text, `it must not have slashes after the prefix: write ${start}${rest.slice(2)}`);
  const [name = '', digest, ...more] = rest.split('@');
  if (isDigestName(name)) {
    if (more.length > 0 || (digest !== undefined && !isDigestName(digest)))
      throw invalid(text, 'the digest is invalid');
    return { ...engine, image: name, ...(digest === undefined ? {} : { digest }) };
  }
  const reference = parseReference(rest);
  const { digest: pinned, ...image } = reference;
  // A digest without a tag identifies the image. With a tag, it identifies a manifest in the image that has the tag.
  if (pinned === undefined || image.tag === undefined) return { ...engine, image: withDefaultTag(reference) };
  return { ...engine, image, digest: pinned };
}

export function formatEngineLocation({ kind, context, image, digest }: EngineLocation): string {
  const engine = context === undefined ? kind : `${kind}@${context}`;
  return `${engine}:${nameOfImage(image)}${digest === undefined ? '' : `@${digest}`}`;
}

/** Returns the canonical name of an engine image, or its ID. */
export function nameOfImage(image: EngineLocation['image']): string {
  return typeof image === 'string' ? image : formatReference(image);
}

function invalid(text: string, reason: string): MlistError {
  return new MlistError(
    'ERR_MLIST_REFERENCE_INVALID',
    `invalid location ${JSON.stringify(text.slice(0, 300))}: ${reason}`,
  );
}
