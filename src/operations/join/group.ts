/**
 * Groups: the builds that join one tag. The slots of one group form one list, and the newest group takes precedence.
 * docs/join.md explains how groups are ordered without a common clock, and why a wrong order does no harm.
 */

export interface Group {
  /** An id that all runners of one build share. */
  readonly id: string;
  /** The number of the build, in digits, if the id does not contain a counter. */
  readonly number?: string | undefined;
  /** The attempt of the runner's job. A later attempt replaces an earlier one of the same build. */
  readonly attempt?: number | undefined;
}

/** A group with its start time, by which groups are ordered. */
export interface GroupAge extends Group {
  /** When its first participant started, in milliseconds since 1970. */
  readonly began: number;
}

/** The group of participants without `--group` outside a known CI service. */
export const DEFAULT_GROUP = 'default';

interface Ci {
  readonly id: string;
  readonly number?: string;
  readonly attempt?: string;
}

/** The environment variables that identify a build. A later attempt of a job keeps the id of its build. */
const services: readonly Ci[] = [
  { id: 'GITHUB_RUN_ID', attempt: 'GITHUB_RUN_ATTEMPT' },
  { id: 'CI_PIPELINE_ID', attempt: 'CI_JOB_ID' },
  { id: 'BUILDKITE_BUILD_ID', number: 'BUILDKITE_BUILD_NUMBER', attempt: 'BUILDKITE_RETRY_COUNT' },
  { id: 'BUILD_TAG' },
];

/**
 * The group of this run.
 * @param env - the environment of the process
 * @param named - the id that the user gives. If it is the id of the CI build, its number and attempt are used, too
 * @returns undefined if neither the user nor a CI service names a group
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
 * Compares the ages of groups: negative if the left group is older, 0 only for the same group. Counters of one series
 * are compared as numbers. Otherwise the group that started later is newer, and in the same millisecond the one with
 * the greater id.
 */
export function compareGroups(left: GroupAge, right: GroupAge): number {
  if (left.id === right.id) return 0;
  const [leftCounter, rightCounter] = [counterOf(left), counterOf(right)];
  const isOneSeries = leftCounter !== undefined && leftCounter.series === rightCounter?.series;
  const byNumber = isOneSeries ? compareDigits(leftCounter.digits, rightCounter.digits) : 0;
  return byNumber || left.began - right.began || (left.id < right.id ? -1 : 1);
}

interface Counter {
  readonly series: string;
  readonly digits: string;
}

/** The counter at the end of an id such as `17` or `job-17`. Two counters form a series if their prefixes are equal. */
function counterOf({ id, number }: Group): Counter | undefined {
  if (number !== undefined) return { series: '#', digits: number };
  const [, series = '', digits] = /^(.*?)(\d+)$/s.exec(id) ?? [];
  return digits === undefined ? undefined : { series: `:${series}`, digits };
}

/** Compares numbers of any length, since ids may exceed the range of JavaScript numbers. */
function compareDigits(left: string, right: string): number {
  const [one, other] = [left.replace(/^0+/, ''), right.replace(/^0+/, '')];
  if (one.length !== other.length) return one.length - other.length;
  return one === other ? 0 : one < other ? -1 : 1;
}
