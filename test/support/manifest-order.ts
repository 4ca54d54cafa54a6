import { sha256 } from './images.ts';

/**
 * Checks after every command that manifests were pushed through a `RecordingProxy` after their children and their subject,
 * unless the registry already had these.
 */
interface Put {
  readonly repository: string;
  readonly digest: string;
  /** Digests of its children and its subject. */
  readonly refersTo: readonly string[];
  readonly begun: number;
}

/** The PUTs that have succeeded. */
const puts: Put[] = [];
/** When each manifest was first stored, keyed by `REPOSITORY@DIGEST`. */
const stored = new Map<string, number>();
/** Manifests that a registry has returned. */
const read = new Set<string>();
let moment = 0;

/** Records a manifest PUT. @returns a function to call when the PUT has succeeded */
export function recordPut(repository: string, body: Buffer): () => void {
  const put: Put = { repository, digest: sha256(body), refersTo: referencesIn(body), begun: (moment += 1) };
  return () => {
    puts.push(put);
    const key = `${repository}@${put.digest}`;
    stored.set(key, stored.get(key) ?? (moment += 1));
  };
}

/** Records that a manifest was read by its digest or a tag. */
export function recordRead(repository: string, name: string): void {
  read.add(`${repository}@${name}`);
}

/** Runs a function and checks the order of its manifest PUTs. */
export async function inOrder<T>(work: () => Promise<T>): Promise<T> {
  const before = puts.length;
  const result = await work();
  for (const { repository, digest, refersTo, begun } of puts.slice(before)) {
    const tooEarly = refersTo.filter((other) => {
      const key = `${repository}@${other}`;
      return !read.has(key) && (stored.get(key) ?? 0) > begun;
    });
    if (tooEarly.length > 0) throw new Error(`${repository}@${digest} was sent before ${tooEarly.join(', ')}`);
  }
  return result;
}

function referencesIn(body: Buffer): readonly string[] {
  try {
    const document = JSON.parse(body.toString()) as {
      manifests?: { digest: string }[] | null;
      subject?: { digest: string } | null;
    };
    return [...(document.manifests ?? []), ...(document.subject ? [document.subject] : [])].map(({ digest }) => digest);
  } catch {
    return [];
  }
}
