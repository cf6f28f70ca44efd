import { act, render, screen } from '@testing-library/react';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ago, exactly, When } from './when';

const now = Date.parse('2026-11-24T20:00:00Z');
const before = (seconds: number) => new Date(now - seconds * 1000).toISOString();

describe('how long ago', () => {
  it.each([
    [0, 'just now'],
    [4, 'just now'],
    [12, '12 sec. ago'],
    [90, '1 min. ago'],
    [3 * 3600 + 59 * 60, '3 hr. ago'],
    [30 * 3600, 'yesterday'],
    [9 * 86400, '9 days ago'],
    [70 * 86400, '2 mo. ago'],
    [800 * 86400, '2 yr. ago'],
    [-120, 'in 2 min.'],
  ])('%d seconds is %s', (seconds, said) => {
    expect(ago(before(seconds), now)).toBe(said);
  });
});

describe('a moment', () => {
  afterEach(() => vi.useRealTimers());

  it('has the exact one on hover, and for machines', () => {
    const at = '2026-11-24T20:25:37.123456Z';
    render(<When at={at} />);
    const time = screen.getByTitle(exactly(at));
    expect(time.getAttribute('datetime')).toBe(at);
    expect(time.title).toMatch(/^2026-11-2[45] \d\d:\d5:37\.123$/);
  });

  it('grows older by itself', () => {
    vi.useFakeTimers({ now });
    render(<When at={before(8)} />);
    act(() => void vi.advanceTimersByTime(60_000));
    expect(screen.getByText('1 min. ago')).toBeTruthy();
  });

  it('is a dash when there is none', () => {
    render(<When at={null} />);
    expect(screen.getByText('–')).toBeTruthy();
  });
});
