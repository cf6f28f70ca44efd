import { describe, expect, it } from 'vitest';
import { bytes, changed, commentProblem, cores, draftOf, rebased, settingsOf, wrongs, type Draft } from './draft';

const spec = {
  resources: { cpuRequest: '500m', memoryRequest: '512Mi', cpuLimit: '1', memoryLimit: '1Gi' },
  minReplicas: 1,
  maxReplicas: 2,
  timeoutSeconds: 30,
  deadlineSeconds: 600,
  runtime: 'merlin',
  strategy: 'SURGE' as const,
  autoscaling: null,
  variables: [{ name: 'COLOUR', value: 'green' }],
  secrets: [],
};
const allowed = {
  limits: { maxCpu: '4', maxMemory: '8Gi', maxReplicas: 10 },
  runtimes: [{ name: 'merlin' }],
  secrets: ['db'],
};
const draft = draftOf(spec);

describe('a draft', () => {
  it('of what is there changes nothing', () => {
    expect(settingsOf(draft, spec)).toEqual({});
    expect(wrongs(draft, allowed)).toEqual({});
  });

  it('sends what differs only', () => {
    const changed = { ...draft, memoryRequest: '600Mi', maxReplicas: '3' };
    expect(settingsOf(changed, spec)).toEqual({ resources: { memoryRequest: '600Mi' }, maxReplicas: 3 });
  });

  it('clears what is emptied', () => {
    const emptied = settingsOf({ ...draft, cpuLimit: '', variables: [] }, spec);
    expect(emptied).toEqual({ clear: ['CPU_LIMIT', 'VARIABLES'] });
  });

  it('says at each field what is wrong, by the path that the API names', () => {
    const bad = {
      ...draft,
      cpuRequest: '9',
      memoryRequest: 'much',
      minReplicas: '0',
      autoscaling: { metric: 'CPU' as const, targetPercent: '101' },
      variables: [
        { name: '1A', value: '' },
        { name: 'B', value: '' },
        { name: 'B', value: '' },
      ],
    };
    expect(Object.keys(wrongs(bad, allowed)).sort()).toEqual([
      'autoscaling.targetPercent',
      'minReplicas',
      'resources.cpuRequest',
      'resources.memoryRequest',
      'variables.0.name',
      'variables.2.name',
    ]);
  });

  it('knows amounts as Kubernetes does', () => {
    expect([cores('500m'), cores('0.5'), cores('2'), cores('0'), cores('0.0001')]).toEqual([
      500,
      500,
      2_000,
      undefined,
      undefined,
    ]);
    expect([bytes('1Ki'), bytes('1.5G'), bytes('1g'), bytes('')]).toEqual([1_024, 1.5e9, undefined, undefined]);
    // 1.005 × 1000 is no whole number to a computer that counts in halves.
    expect([bytes('1.005k'), bytes('1.0005k'), bytes('2000Ti'), cores('10001')]).toEqual([
      1_005,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('takes memory in which nothing runs for one whose unit was forgotten', () => {
    const found = wrongs({ ...draft, memoryRequest: '1', memoryLimit: '4095Ki' }, allowed);
    expect(found).toEqual({
      'resources.memoryRequest': 'A unit is needed. As 512Mi, 1Gi or 1.5G.',
      'resources.memoryLimit': 'At least 4Mi.',
    });
    expect(wrongs({ ...draft, memoryRequest: '4Mi', memoryLimit: '536870912' }, allowed)).toEqual({});
  });

  it('knows which names the platform keeps, and how much there may be', () => {
    const named = (...names: string[]) =>
      wrongs({ ...draft, variables: names.map((name) => ({ name, value: '' })) }, allowed);
    expect(named('KUBERNETES_PORT', 'merlin_x', 'MERLIN_RUNTIME_HOST', 'MERLIN_RUNTIME_WORKERS', '')).toEqual({
      'variables.0.name': "KUBERNETES_PORT is reserved: KUBERNETES_… is the platform's.",
      'variables.1.name': "merlin_x is reserved: MERLIN_… is the platform's.",
      'variables.2.name': "MERLIN_RUNTIME_HOST is reserved: MERLIN_… is the platform's.",
      'variables.4.name': 'A name is needed.',
    });
    expect(named('A'.repeat(128))).toEqual({});
    expect(named('A'.repeat(129))['variables.0.name']).toMatch('has 129');
    expect(named(...Array.from({ length: 201 }, (_, index) => `A${index}`))).toHaveProperty('variables');
    const large = { ...draft, variables: [{ name: 'A', value: 'ä'.repeat(131_073) }] };
    expect(wrongs(large, allowed)).toEqual({ variables: 'At most 256 KiB of values; these are 257.' });
  });

  it('knows what the place has no longer', () => {
    const gone = { ...draft, runtime: 'old', secrets: [{ secret: 'gone', variable: 'A' }] };
    expect(Object.keys(wrongs(gone, allowed))).toEqual(['runtime', 'secrets.0.secret']);
    expect(wrongs({ ...draft, secrets: [{ secret: 'db', variable: 'COLOUR' }] }, allowed)).toEqual({
      'secrets.0.variable': 'Given twice.',
    });
    expect(wrongs({ ...draft, minReplicas: '3' }, allowed)).toEqual({ minReplicas: 'Above “At most”, which is 2.' });
  });

  const none = new Set<string>();
  const typed = (changes: Partial<Draft>) => changed({ draft, touched: none }, changes, draft);

  it('keeps what was typed and takes the rest from a revision that came meanwhile', () => {
    const mine = typed({ cpuRequest: '750m', variables: [...draft.variables, { name: 'MINE', value: '1' }] });
    const theirs = draftOf({
      ...spec,
      resources: { ...spec.resources, memoryRequest: '600Mi', cpuRequest: '600m' },
      variables: [
        { name: 'COLOUR', value: 'blue' },
        { name: 'THEIRS', value: '2' },
      ],
    });
    expect(rebased(mine, theirs).draft).toEqual({
      ...theirs,
      cpuRequest: '750m',
      variables: [
        { name: 'COLOUR', value: 'blue' },
        { name: 'MINE', value: '1' },
        { name: 'THEIRS', value: '2' },
      ],
    });
    expect(rebased({ draft, touched: none }, theirs).draft).toEqual(theirs);
    // What I removed stays removed, what they removed goes, what I changed stays.
    expect(rebased(typed({ variables: [] }), theirs).draft.variables).toEqual([{ name: 'THEIRS', value: '2' }]);
    expect(rebased(mine, { ...theirs, variables: [] }).draft.variables).toEqual([{ name: 'MINE', value: '1' }]);
  });

  it('keeps what was typed on the way over a place that says the same', () => {
    const autoscaling = { metric: 'CPU' as const, targetPercent: '70' };
    const mine = typed({ cpuRequest: '250m', autoscaling, variables: [{ name: 'MINE', value: '1' }] });
    const there = { ...draft, cpuRequest: '250m', autoscaling, variables: [{ name: 'MINE', value: '1' }] };
    const over = rebased(mine, there);
    expect(over.draft).toEqual(there);
    expect(rebased(over, draft)).toEqual(mine);
  });

  it('follows again once what was typed is set back', () => {
    const mine = typed({ cpuRequest: '250m', variables: [{ name: 'COLOUR', value: 'red' }] });
    expect([...mine.touched]).toEqual(['cpuRequest', 'variables.COLOUR']);
    const back = changed(mine, { cpuRequest: '500m', variables: draft.variables }, draft);
    expect(back).toEqual({ draft, touched: none });
    const named = typed({ variables: [...draft.variables, { name: '', value: '' }] });
    const more = changed(named, { variables: [...draft.variables, { name: 'A', value: '' }] }, draft);
    expect([...more.touched]).toEqual(['variables.A']);
  });

  it('counts why as the API does', () => {
    expect(commentProblem(` ${'🪄'.repeat(1_000)} `)).toBeUndefined();
    expect(commentProblem('x'.repeat(3_000))).toBe('At most 1,000 characters; this has 3,000.');
  });
});
