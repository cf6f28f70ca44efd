import { act } from '@testing-library/react';
import { useState } from 'react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { renderPage } from '@/test-page';
import { added, MOST_LINES, useLogs, type LogLine, type LogStream } from './log-stream';

type Sent = { query: string; variables: Record<string, unknown> };
type Sink = { next: (answer: unknown) => void; error: (problem: unknown) => void; complete: () => void };

const sent = vi.hoisted(() => [] as { payload: unknown; sink: unknown }[]);
vi.mock('@/graphql/socket', () => ({
  onConnection: () => () => undefined,
  socket: {
    // As graphql-ws: disposing tells the sink, a moment later, that it is complete.
    subscribe: (payload: unknown, sink: Sink) => {
      sent.push({ payload, sink });
      return () => queueMicrotask(() => sink.complete());
    },
  },
}));
beforeEach(() => void (sent.length = 0));
afterEach(() => void vi.useRealTimers());

const line = (number: number): LogLine => ({
  cursor: String(number),
  at: '2026-11-24T20:00:00Z',
  pod: 'p',
  container: 'c',
  revision: 1,
  text: `line ${number}`,
});

const newest = () => sent.at(-1) as { payload: Sent; sink: Sink };
/** The page of lines that was asked for. */
const answer = (lines: LogLine[]) =>
  act(() => {
    const { sink } = newest();
    sink.next({ data: { logs: { lines, cursor: lines.at(-1)?.cursor ?? null } } });
    sink.complete();
  });
const UNREACHABLE = [
  { message: 'It is away.', extensions: { code: 'CLUSTER_UNREACHABLE', hint: 'Wait.', requestId: 'r' } },
];

function opened() {
  const now: { stream: LogStream; again: () => void; ask: (changes: { search?: string; tail?: number }) => void } =
    {} as never;
  function Log({ search = '', tail = 3 }: { search?: string; tail?: number }) {
    const { again, ...stream } = useLogs({
      id: 'e',
      reachable: true,
      follow: true,
      previous: false,
      pod: null,
      search,
      tail,
    });
    Object.assign(now, { stream, again });
    return null;
  }
  let change: (changes: object) => void = () => undefined;
  function Asked() {
    const [asked, ask] = useState({});
    change = ask;
    return <Log {...asked} />;
  }
  renderPage(<Asked />);
  now.ask = (changes) => act(() => change(changes));
  return now;
}

it('keeps the newest lines, and says that older ones have left', () => {
  const some = Array.from({ length: MOST_LINES - 1 }, (_, number) => line(number));
  const full = added({ lines: [], cut: false }, some);
  expect(full.cut).toBe(false);
  const more = added(full, [line(MOST_LINES), line(MOST_LINES + 1)]);
  expect([more.cut, more.lines.length, more.lines[0]?.text]).toEqual([true, MOST_LINES, 'line 1']);
});

it('follows on after another search was asked for', async () => {
  const log = opened();
  answer([line(1)]);
  log.ask({ search: 'x' });
  await act(async () => {});
  expect(log.stream.state).toBe('opening');
  answer([line(1)]);
  expect(log.stream.state).toBe('reading');
});

it('says all of a failure, keeps its lines, and goes on after the last of them', () => {
  const log = opened();
  answer([line(1), line(2)]);
  act(() => newest().sink.error(UNREACHABLE));
  expect([log.stream.state, log.stream.lines.length]).toEqual(['failed', 2]);
  expect(log.stream.problem).toEqual({
    code: 'CLUSTER_UNREACHABLE',
    message: 'It is away.',
    hint: 'Wait.',
    requestId: 'r',
  });
  act(() => log.again());
  expect(newest().payload.variables.after).toBe('2');
  answer([line(3)]);
  expect([log.stream.state, log.stream.problem]).toEqual(['reading', undefined]);
  expect(log.stream.lines.map(({ text }) => text)).toEqual(['line 1', 'line 2', 'line 3']);
});

it('asks again by itself for what the cluster could not tell', async () => {
  vi.useFakeTimers();
  const log = opened();
  act(() => newest().sink.error(UNREACHABLE));
  await act(() => vi.advanceTimersByTimeAsync(2_000));
  answer([line(1)]);
  expect(log.stream.state).toBe('reading');
});

it('says that there may be older lines when as many came as were asked for', () => {
  const log = opened();
  answer([line(1), line(2)]);
  expect(log.stream.partial).toBe(false);
  log.ask({ tail: 2 });
  expect(log.stream.lines).toHaveLength(2);
  answer([line(1), line(2)]);
  expect(log.stream.partial).toBe(true);
  log.ask({ tail: 4 });
  expect(newest().payload.variables).toMatchObject({ tail: 4, after: null });
});
