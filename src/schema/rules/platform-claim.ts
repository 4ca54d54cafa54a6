import type { Problem } from '../../errors/errors.ts';
import { formatPlatform, normalizePlatform, type Platform } from '../../oci/platform/platform.ts';
import { error, warning } from '../problems.ts';

/**
 * Returns a problem if the platform of an entry differs from the platform in the image config after normalisation. The
 * problem is an error, with three exceptions: a variant that only the entry states and an os.version that only the
 * config states are warnings; an os.version that only the entry states is accepted.
 */
export function checkClaim(claimed: Platform, stated: Platform, pointer: string): readonly Problem[] {
  const [entry, config] = [normalizePlatform(claimed), normalizePlatform(stated)];
  const message = `the platform of the entry is ${full(claimed)}, but the image config states ${full(stated)}`;
  const differs = (name: 'os' | 'architecture' | 'variant' | 'os.version') => entry[name] !== config[name];
  if (differs('os') || differs('architecture')) return [error('E-PLAT-CONFIG', pointer, message)];
  if (differs('variant')) {
    const isUnstated = stated.variant === undefined || stated.variant === '';
    return [isUnstated ? warning('E-PLAT-CONFIG', pointer, message) : error('E-PLAT-CONFIG', pointer, message)];
  }
  if (differs('os.version')) return versionProblems(entry['os.version'], config['os.version'], pointer, message);
  return [];
}

function versionProblems(entry = '', config = '', pointer: string, message: string): readonly Problem[] {
  if (config === '') return [];
  return [entry === '' ? warning('E-PLAT-CONFIG', pointer, message) : error('E-PLAT-CONFIG', pointer, message)];
}

function full(platform: Platform): string {
  return formatPlatform(platform, { all: true });
}
