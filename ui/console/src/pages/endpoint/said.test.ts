import { expect, it } from 'vitest';
import { keptLines, placed } from './said';

const at = (second: number) => new Date(Date.UTC(2026, 10, 24, 20, 0, second)).toISOString();
const event = (cursor: string, second: number, type: string, revision = 2) => ({
  cursor,
  at: at(second),
  type,
  revision,
});
const line = (second: number, text: string, revision = 2) => ({ at: at(second), revision, text });

// The newest first.
const events = [
  event('x.6', 9, 'endpoint.unhealthy'),
  event('x.5', 8, 'deployment.active'),
  event('x.4', 7, 'deployment.ready'),
  event('x.3', 4, 'cluster.event'),
  event('x.2', 2, 'deployment.applied'),
  event('x.1', 1, 'deployment.drained', 1),
];

it('puts lines under the step during which they were written', () => {
  const lines = [line(3, 'early'), line(4, 'listening'), line(6, 'model loaded')];
  const found = placed(lines, events);
  expect(found.get('x.2')?.map(({ text }) => text)).toEqual(['early']);
  expect(found.get('x.3')?.map(({ text }) => text)).toEqual(['listening', 'model loaded']);
});

it('leaves out what is not about a rollout, or about one that is not shown', () => {
  expect(placed([line(7, 'a request'), line(10, 'more'), line(3, 'old', 1), line(0, 'before all')], events).size).toBe(
    0,
  );
});

it('finds the lines that were kept of a failure', () => {
  expect(keptLines({ evidence: { log_tail: ['a', 'b'] } })).toEqual(['a', 'b']);
  for (const none of [null, undefined, {}, { evidence: null }, { evidence: { log_tail: 'no' } }])
    expect(keptLines(none)).toEqual([]);
});
