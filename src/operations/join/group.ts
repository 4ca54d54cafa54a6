/**
 * This file identifies and orders groups: the builds that join one tag. The slots of one group form one list, and the
 * newest group takes precedence. docs/join.md explains how groups are ordered without a common clock, and why a wrong
 * order does no harm.
 */

export interface Group {
  /** The ID that all participants of one build share. */
  readonly id: string;
  /** The number of the build, in digits, if the ID does not contain a counter. */
  readonly number?: string | undefined;
  /**
   * The number of the attempt of the job. The images of a later attempt replace the images of earlier attempts in the
   * same build.
   */
  readonly attempt?: number | undefined;
}

/** A group with its start time, which orders groups that have no common counter. */
export interface GroupAge extends Group {
  /** The time when the first participant started, in milliseconds since 1970. */
  readonly began: number;
}

/** The ID of the group if neither the user nor a CI service gives one. */
export const DEFAULT_GROUP = 'default';

interface Ci {
  readonly id: string;
  readonly number?: string;
  readonly attempt?: string;
}

/** The environment variables that identify a build in known CI services. A repeated job keeps the ID of its build. */
const services: readonly Ci[] = [
  { id: 'GITHUB_RUN_ID', attempt: 'GITHUB_RUN_ATTEMPT' },
  { id: 'CI_PIPELINE_ID', attempt: 'CI_JOB_ID' },
  { id: 'BUILDKITE_BUILD_ID', number: 'BUILDKITE_BUILD_NUMBER', attempt: 'BUILDKITE_RETRY_COUNT' },
  { id: 'BUILD_TAG' },
];

/**
 * Determines the group of this participant from the environment of a CI service, or from the ID that the user gives.
 * @param env - the environment of the process
 * @param named - the ID that the user gives. If the CI service has the same ID, its number and attempt are used, too
 * @returns undefined if neither the user nor a CI service gives an ID
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
 * Compares the ages of groups. The result is negative if the left group is older, and 0 only for the same group.
 * Counters of one series are compared as numbers. Without such counters, or if they are equal, the group that started
 * later is newer. If both started in the same millisecond, the group with the greater ID is newer.
 */
export function compareGroups(left: GroupAge, right: GroupAge): number {
  if (left.id === right.id) return 0;
  const [leftCounter, rightCounter] = [counterOf(left), counterOf(right)];
  const isOneSeries = leftCounter !== undefined && leftCounter.series === rightCounter?.series;
  const byNumber = isOneSeries ? compareDigits(leftCounter.digits, rightCounter.digits) : 0;
  return byNumber || left.began - right.began || (left.id < right.id ? -1 : 1);
}

interface Counter {
  /** The prefix of the counter. Only counters of the same series can be compared. */
  readonly series: string;
  readonly digits: string;
}

/**
 * Returns the counter of a group: its number, or the digits at the end of an ID such as `job-17`. Undefined if there is
 * neither.
 */
function counterOf({ id, number }: Group): Counter | undefined {
  if (number !== undefined) return { series: '#', digits: number };
  const [, series = '', digits] = /^(.*?)(\d+)$/s.exec(id) ?? [];
  return digits === undefined ? undefined : { series: `:${series}`, digits };
}

/** Compares decimal numbers of any length, because a counter may exceed the range of JavaScript numbers. */
function compareDigits(left: string, right: string): number {
  const [one, other] = [left.replace(/^0+/, ''), right.replace(/^0+/, '')];
  if (one.length !== other.length) return one.length - other.length;
  return one === other ? 0 : one < other ? -1 : 1;
}
