import { act, screen } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { renderPage } from '@/test-page';
import type { Listener } from './feed';
import { ActivityHeadDocument, type LineFragment } from './generated';
import { concerns, useLiveQuery } from './live';

const listeners = vi.hoisted(() => new Set<Listener>());
vi.mock('./feed', () => ({
  listen: (listener: Listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
}));

const event = (project: string | null, model: string | null = null) =>
  ({
    project: project === null ? null : { id: project, name: project },
    model: model === null ? null : { id: model, name: model },
  }) as LineFragment;
const tell = (one: LineFragment) => listeners.forEach((listener) => listener.event(one));

describe('what an event concerns', () => {
  it.each([
    [{}, event('a'), true],
    [{ project: 'a' }, event('a'), true],
    [{ project: 'a' }, event('b'), false],
    [{ project: 'a', model: 'm' }, event('a', 'm'), true],
    [{ project: 'a', model: 'm' }, event('a', 'n'), false],
    [{ project: 'a', model: 'm' }, event('a'), true],
    [{ project: 'a' }, event(null), true],
  ])('%o hears of %o: %s', (about, one, heard) => {
    expect(concerns(about, one)).toBe(heard);
  });
});

describe('a live query', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    listeners.clear();
  });
  afterEach(() => vi.useRealTimers());

  function Shown() {
    const [{ data }] = useLiveQuery(ActivityHeadDocument, { project: 'a' }, { project: 'a' });
    return <p>{data?.project?.name}</p>;
  }
  const counted = () => {
    let answers = 0;
    return renderPage(<Shown />, {
      answer: () => ({ data: { project: { id: 'a', name: String(++answers), role: 'READER' } } }),
    });
  };

  it('is asked again at once, and once more for all events of the 50 ms after', async () => {
    const { asked } = counted();
    const first = asked.length;
    expect(screen.getByText(String(first))).toBeTruthy();
    await act(async () => {
      tell(event('a'));
      tell(event('a'));
      tell(event('a'));
      tell(event('b'));
      await vi.advanceTimersByTimeAsync(49);
    });
    expect(asked).toHaveLength(first + 1);
    await act(async () => void (await vi.advanceTimersByTimeAsync(1)));
    expect(asked).toHaveLength(first + 2);
    expect(screen.getByText(String(first + 2))).toBeTruthy();
    await act(async () => void (await vi.advanceTimersByTimeAsync(1_000)));
    expect(asked).toHaveLength(first + 2);
  });

  it('is left alone by events about something else', () => {
    const { asked } = counted();
    const first = asked.length;
    act(() => {
      tell(event('b'));
      vi.advanceTimersByTime(1_000);
    });
    expect(asked).toHaveLength(first);
  });

  it('is asked again when events may have been missed, and no more once it is gone', async () => {
    const { asked, unmount } = counted();
    const first = asked.length;
    await act(async () => listeners.forEach((listener) => listener.missed()));
    expect(asked).toHaveLength(first + 1);
    tell(event('a'));
    unmount();
    expect(listeners.size).toBe(0);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(asked).toHaveLength(first + 1);
  });
});
