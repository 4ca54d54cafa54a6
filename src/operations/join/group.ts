/**
 * Builds that join one tag. The slots of one group count together; of two groups the newer one counts. How that is told
 * without a clock, and why it may be told wrong without harm: docs/join.md.
 */

export interface Group {
  /** What the runners of one build share. */
  readonly id: string;
  /** A counter of builds that goes with the id, where the id itself has none: digits. */
  readonly number?: string | undefined;
  /** Which try of its part of the build a runner is; a later try of the same build replaces an earlier one. */
  readonly attempt?: number | undefined;
}

/** A group as it stands among others: with the time when it was first seen at work. */
export interface GroupAge extends Group {
  /** Milliseconds since 1970. */
  readonly began: number;
}

/** The group of those who name none and run in no CI that mlist knows. */
export const DEFAULT_GROUP = 'default';

interface Ci {
  readonly id: string;
  readonly number?: string;
  readonly attempt?: string;
}

/** Where CI services say which build this is. A later try of a job keeps the id of its build. */
const services: readonly Ci[] = [
  { id: 'GITHUB_RUN_ID', attempt: 'GITHUB_RUN_ATTEMPT' },
  { id: 'CI_PIPELINE_ID', attempt: 'CI_JOB_ID' },
  { id: 'BUILDKITE_BUILD_ID', number: 'BUILDKITE_BUILD_NUMBER', attempt: 'BUILDKITE_RETRY_COUNT' },
  { id: 'BUILD_TAG' },
];

/**
 * The group of this run.
 * @param env - of the process
 * @param named - what the user calls it; it is the CI's build if it is its id
 * @returns undefined where nobody has said
 */
export function groupOf(env: Readonly<Record<string, string | undefined>>, named?: string): Group | undefined {
  const service = services.find(({ id }) => env[id]);
  const id = service && env[service.id];
  if (service === undefined || id === undefined || (named !== undefined && named !== id)) {
    return named === undefined ? undefined : { id: named };
  }
  const number = digitsOf(env[service.number ?? '']);
  const attempt = digitsOf(env[service.attempt ?? '']);
  return {
    id,
    ...(number === undefined ? {} : { number }),
    ...(attempt === undefined ? {} : { attempt: Number(attempt) }),
  };
}

function digitsOf(text: string | undefined): string | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? text : undefined;
}

/**
 * Negative where the left group is older, 0 only for one and the same. Two counters of one series are compared as
 * numbers; else the one that began later is newer, and at the same millisecond the one with the greater id.
 */
export function compareGroups(left: GroupAge, right: GroupAge): number {
  if (left.id === right.id) return 0;
  const [one, other] = [counterOf(left), counterOf(right)];
  const isOneSeries = one !== undefined && one.series === other?.series;
  const byNumber = isOneSeries ? compareDigits(one.digits, other.digits) : 0;
  return byNumber || left.began - right.began || (left.id < right.id ? -1 : 1);
}

interface Counter {
  readonly series: string;
  readonly digits: string;
}

/** `17` and `job-17` count builds; what counts must be the end of the id, and all before it the same. */
function counterOf({ id, number }: Group): Counter | undefined {
  if (number !== undefined) return { series: '#', digits: number };
  const [, series = '', digits] = /^(.*?)(\d+)$/s.exec(id) ?? [];
  return digits === undefined ? undefined : { series: `:${series}`, digits };
}

/** Of any length: ids may not fit a JavaScript number. */
function compareDigits(left: string, right: string): number {
  const [one, other] = [left.replace(/^0+/, ''), right.replace(/^0+/, '')];
  if (one.length !== other.length) return one.length - other.length;
  return one === other ? 0 : one < other ? -1 : 1;
}
