import { describe, expect, test } from '@jest/globals';
import { casesOf, isLong } from '../../support/long.ts';
import { explore, makeBase, makeRunner, type Explored, type Model, type Visit } from '../../support/join-model.ts';

/**
 * Tries every order in which runners can read and write, with failures, using the decisions of the join protocol
 * (docs/join.md "Why it is safe").
 */
const [amd64, arm64, riscv64] = ['linux/amd64', 'linux/arm64', 'linux/riscv64'] as const;
const two = [amd64, arm64];
const three = [amd64, arm64, riscv64];

/** Returns a function that lists the images of the tag, as `build platform`. */
function imageNames(runners: Model['runners']): (visit: Visit) => readonly string[] {
  const names = new Map<string, string>(
    runners.flatMap(({ group, own }) =>
      own.flatMap(({ platform, entries }) => entries.map(({ digest }) => [digest, `${group.id} ${platform}`] as const)),
    ),
  );
  const known = new Map<Visit['list'], readonly string[]>();
  return ({ list }) => {
    let images = known.get(list);
    if (images === undefined) {
      images = (list?.draft.entries ?? []).map(({ digest }) => names.get(digest) ?? digest);
      known.set(list, images);
    }
    return images;
  };
}

const isOver = ({ outcomes }: Visit) => outcomes.every((outcome) => outcome !== undefined && outcome !== 'dead');

/** Called for every state, and for every step. */
interface Checks {
  readonly onVisit?: (visit: Visit) => void;
  readonly onMove?: (from: Visit, to: Visit) => void;
}

/** Explores a model. @returns the lists that the tag had at any time, and those after all runners had ended */
function explored(model: Model, { onVisit, onMove }: Checks = {}) {
  const imagesOf = imageNames(model.runners);
  const ever = new Set<readonly string[]>();
  const last = new Set<readonly string[]>();
  const result: Explored = explore(
    model,
    (visit) => {
      const images = imagesOf(visit);
      ever.add(images);
      if (isOver(visit)) last.add(images);
      onVisit?.(visit);
    },
    onMove,
  );
  expect(result.isAlwaysEndable).toBe(true);
  expect(result.ends).toBeGreaterThan(0);
  const texts = (lists: ReadonlySet<readonly string[]>) =>
    [...new Set([...lists].map((images) => images.join(', ')))].sort();
  return { ever: texts(ever), last: texts(last), states: result.states };
}

const build = (id: string, platforms: readonly string[], expected?: readonly string[], retries?: number) =>
  platforms.map((platform) => makeRunner(id, [platform], expected, retries));
const listOf = (id: string, platforms: readonly string[]) =>
  platforms.map((platform) => `${id} ${platform}`).join(', ');

describe('runners of one build, without --expect', () => {
  const hazards: readonly (readonly [string, Partial<Model>])[] = [
    ['no failures', {}],
    ['lost responses, and a runner that is killed and restarted', { lost: 2, deaths: 1 }],
    ['two deaths', { deaths: 2 }],
    ['a registry with conditional writes', { lost: 2, deaths: 1, hasConditions: true }],
    ['lost responses and long pauses', { lost: 1, isTimely: true }],
  ];
  test.each(casesOf(hazards, 2))('two, %s: the final list has both', (_name, more) => {
    const { last } = explored({ runners: build('1', two), platforms: two, ...more });
    expect(last).toEqual([listOf('1', two)]);
  });

  if (isLong) {
    test('three runners: the final list has the images of all', () => {
      const { last, ever } = explored({ runners: build('1', three), platforms: three });
      expect(last).toEqual([listOf('1', three)]);
      expect(ever).toHaveLength(8);
    });
  }

  test('the tag keeps its other images at every moment', () => {
    const base = makeBase([makeRunner('0', [riscv64])]);
    const { last } = explored({ runners: build('1', two), platforms: two, base, lost: 1, deaths: 1 });
    const other = base.draft.entries[0]!.digest;
    expect(last).toEqual([`${listOf('1', two)}, ${other}`]);
    explore({ runners: build('1', two), platforms: two, base, deaths: 1 }, ({ list }) => {
      expect(list?.draft.entries.map(({ digest }) => digest)).toContain(other);
    });
  });

  test('one runner is killed, with conditional writes: the list has the images of every runner that has completed', () => {
    const runners = build('1', two);
    const imagesOf = imageNames(runners);
    explore({ runners, platforms: two, lost: 1, deaths: 1, forGood: true, hasConditions: true }, (visit) => {
      const images = imagesOf(visit);
      visit.outcomes.forEach((outcome, at) => {
        if (outcome === 'complete') expect(images).toContain(`1 ${two[at]!}`);
      });
    });
  });
});

/** Expects that the tag always has no list or a complete one of a single build. */
function expectComplete(model: Model, complete: readonly string[], checks?: Checks): ReturnType<typeof explored> {
  const result = explored(model, checks);
  expect(complete).toEqual(expect.arrayContaining(result.ever.filter((images) => images !== '')));
  return result;
}

describe('runners of one build, with --expect', () => {
  const hazards: readonly (readonly [string, Partial<Model>])[] = [
    ['no failures', {}],
    ['lost responses, and a runner that is killed and restarted', { lost: 1, deaths: 1 }],
    ['a registry with conditional writes', { lost: 1, deaths: 1, hasConditions: true }],
    ['runners that wait for each other', { lost: 1, waits: true }],
  ];
  test.each(casesOf(hazards, 2))('two, %s: the tag appears once, is complete, and does not change', (_name, more) => {
    const model: Model = { runners: build('1', two, two), platforms: two, ...more };
    let changes = 0;
    const onMove: Checks['onMove'] = (from, to) => {
      if (from.list !== undefined && to.list?.digest !== from.list.digest) changes += 1;
    };
    const { last } = expectComplete(model, [listOf('1', two)], { onMove });
    expect(last).toEqual([listOf('1', two)]);
    expect(changes).toBe(0);
  });

  test('two runners, whose writes may be executed at any later time', () => {
    expectComplete({ runners: build('1', two, two), platforms: two, late: isLong ? 2 : 1, lost: 1 }, [
      listOf('1', two),
    ]);
  });

  test('three runners: the tag is written once, with the complete list', () => {
    const { last } = expectComplete({ runners: build('1', three, three), platforms: three }, [listOf('1', three)]);
    expect(last).toEqual([listOf('1', three)]);
  });

  test('the list has the expected order', () => {
    const order = [arm64, amd64];
    expect(explored({ runners: build('1', two, order), platforms: two }).last).toEqual([listOf('1', order)]);
  });

  test('one runner is killed: no list, or the complete list', () => {
    const model: Model = { runners: build('1', two, two), platforms: two, deaths: 1, forGood: true };
    expectComplete(model, [listOf('1', two)]);
  });
});

describe('a second build while the first still runs', () => {
  const complete = ['1', '2'].map((id) => listOf(id, two));
  /** One runner for each build, which joins all platforms. */
  const pairs = (expected?: readonly string[]) => [makeRunner('1', two, expected), makeRunner('2', two, expected)];

  const hazards: readonly (readonly [string, Partial<Model>])[] = [
    ['two runners', {}],
    ['two runners, one is killed', { deaths: 1 }],
    ['two runners, conditional writes', { lost: 1, hasConditions: true }],
    ['two runners, lost responses, one is killed', { lost: 1, deaths: 1 }],
    ['two runners, writes that are executed at any later time', { late: 1 }],
  ];
  test.each(casesOf(hazards, 5))(
    'with --expect, %s: builds are never mixed',
    (_name, more) => void expectComplete({ runners: pairs(two), platforms: two, ...more }, complete),
  );

  if (isLong) {
    test('with --expect, three runners: builds are never mixed', () => {
      const runners = [...build('1', two, two), makeRunner('2', two, two)];
      expectComplete({ runners, platforms: two, isTimely: true }, complete);
    });
  }

  const conditions: readonly (readonly [string, Partial<Model>])[] = [
    ['the pause is longer than the time between a snapshot and its write', { isTimely: true }],
    ['the registry has conditional writes', { hasConditions: true }],
  ];
  test.each(casesOf(conditions, 2, 1))('the final list is that of the second build if %s', (_name, more) => {
    for (const expected of [two, undefined]) {
      const { last } = explored({ runners: pairs(expected), platforms: two, ...more });
      expect(last).toEqual([listOf('2', two)]);
    }
  });
});

describe('a registry that shows the state before the last write of a tag', () => {
  test('without --expect: the final list has the images of both runners', () => {
    const { last } = explored({ runners: build('1', two), platforms: two, stale: 1, lost: 1 });
    expect(last).toEqual([listOf('1', two)]);
  });

  test.each<[string, Partial<Model>]>([
    ['the list', { stale: 3, lost: 1 }],
    ['the list, with conditional writes', { stale: 3, lost: 1, hasConditions: true }],
    ['the list, with runners that wait for each other', { stale: 3, waits: true }],
  ])('with --expect, %s: the tag appears once, is complete, and does not change', (_name, more) => {
    const { last } = expectComplete({ runners: build('1', two, two), platforms: two, ...more }, [listOf('1', two)]);
    expect(last).toEqual([listOf('1', two)]);
  });

  if (isLong) {
    test('with --expect, if slots are shown late too: no list, or the complete list', () => {
      const model: Model = { runners: build('1', two, two), platforms: two, stale: 3, staleSlots: true, lost: 1 };
      expectComplete(model, [listOf('1', two)]);
    });

    test('with --expect, two builds: builds are never mixed', () => {
      const runners = [makeRunner('1', two, two), makeRunner('2', two, two)];
      const complete = ['1', '2'].map((id) => listOf(id, two));
      expectComplete({ runners, platforms: two, stale: 2, staleSlots: true }, complete);
    });
  }
});

describe('a registry that fails writes more often than --retries allows', () => {
  test.each<[string, number, Partial<Model>]>([
    ['no retries', 0, { lost: 2 }],
    ['one retry', 1, { lost: 3 }],
    ['one retry, with conditional writes', 1, { lost: 3, hasConditions: true }],
  ])(
    'with --expect, %s: no list, or the complete list, and runners that report it as complete are right',
    (_name, retries, more) => {
      const runners = build('1', two, two, retries);
      const outcomes = new Set<string>();
      const imagesOf = imageNames(runners);
      const onVisit = (visit: Visit) => {
        for (const outcome of visit.outcomes) outcomes.add(outcome ?? 'running');
        if (visit.outcomes.includes('complete')) expect(imagesOf(visit)).toHaveLength(2);
      };
      expectComplete({ runners, platforms: two, ...more }, [listOf('1', two)], { onVisit });
      expect(outcomes).toContain('failed');
    },
  );

  test('without --expect, with conditional writes: the list has the images of every runner that has completed', () => {
    const runners = build('1', two, undefined, 0);
    const imagesOf = imageNames(runners);
    explore({ runners, platforms: two, lost: 2, hasConditions: true }, (visit) => {
      const images = imagesOf(visit);
      visit.outcomes.forEach((outcome, at) => {
        if (outcome === 'complete') expect(images).toContain(`1 ${two[at]!}`);
      });
    });
  });
});
