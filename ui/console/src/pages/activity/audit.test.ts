import { expect, it } from 'vitest';
import { changesOf } from './audit';

it('tells the fields that became something else', () => {
  expect(changesOf({ a: 1, b: 'x', c: null }, { a: 1, b: 'y', d: [1] })).toEqual([
    { field: 'b', from: 'x', to: 'y' },
    { field: 'd', from: 'nothing', to: '[1]' },
  ]);
  expect(changesOf({ labels: {} }, { labels: { stage: 'live', tier: 1 } })).toEqual([
    { field: 'labels', from: 'nothing', to: 'stage: live, tier: 1' },
  ]);
  expect(changesOf(null, { name: 'fraud' })).toEqual([{ field: 'name', from: 'nothing', to: 'fraud' }]);
});

it('says where traffic goes in words, and nothing of how it is kept', () => {
  const to = (id: string) => ({ destinations: [{ version_endpoint_id: id, weight: 100 }] });
  const before = { status: 'stopped', generation: 1, desired_rule: null, observed_rule: null };
  const after = { status: 'pending', generation: 2, desired_rule: to('7d76'), observed_rule: null };
  const subjectOf = (id: string) => (id === '7d76' ? { name: 'fraud version 2', to: '' } : undefined);
  expect(changesOf(before, after, subjectOf)).toEqual([
    { field: 'status', from: 'stopped', to: 'pending' },
    { field: 'traffic', from: 'none', to: '100 % to fraud version 2' },
  ]);
});
