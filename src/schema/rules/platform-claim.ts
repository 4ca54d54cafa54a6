import type { Problem } from '../../errors/errors.ts';
import { formatPlatform, normalizePlatform, type Platform } from '../../oci/platform/platform.ts';
import { error, warning } from '../problems.ts';

/**
 * Whether an entry says the same of its image as the image's own config: after normalisation, and where both say
 * something. What only one of them states is no contradiction; a variant or a version that the config leaves open is
 * told, since nothing vouches for it.
 */
export function checkClaim(claimed: Platform, stated: Platform, pointer: string): readonly Problem[] {
  const [entry, config] = [normalizePlatform(claimed), normalizePlatform(stated)];
  const says = `the entry says ${full(claimed)}, the config of the image ${full(stated)}`;
  const differs = (name: 'os' | 'architecture' | 'variant' | 'os.version') => entry[name] !== config[name];
  if (differs('os') || differs('architecture')) return [error('E-PLAT-CONFIG', pointer, says)];
  if (differs('variant')) {
    const isOpen = stated.variant === undefined || stated.variant === '';
    return [isOpen ? warning('E-PLAT-CONFIG', pointer, says) : error('E-PLAT-CONFIG', pointer, says)];
  }
  if (differs('os.version')) return versionProblems(entry['os.version'], config['os.version'], pointer, says);
  return [];
}

function versionProblems(entry = '', config = '', pointer: string, says: string): readonly Problem[] {
  if (config === '') return [];
  return [entry === '' ? warning('E-PLAT-CONFIG', pointer, says) : error('E-PLAT-CONFIG', pointer, says)];
}

function full(platform: Platform): string {
  return formatPlatform(platform, { all: true });
}
