// What happened to the endpoint and to its model's traffic, with what its pods wrote while they started or failed.
import { Text } from '@mantine/core';
import { useCallback, useMemo, useState } from 'react';
import type { LineFragment } from '@/graphql/generated';
import { Timeline } from '@/parts/timeline';
import { exactly } from '@/parts/when';
import type { Of } from './endpoint';
import { spoken } from './log-text';
import { useLogs } from './log-stream';
import { keptLines, placed } from './said';

export function Story({ of, traffic }: { of: Of; traffic: string | undefined }) {
  const { project, model, reachable, endpoint } = of;
  const alive = endpoint.lifecycle !== 'TERMINATED' && (endpoint.progressing || endpoint.lifecycle !== 'FAILED');
  // What is written after a rollout is of no interest here, so an endpoint at rest is not followed.
  const [rolling, setRolling] = useState(endpoint.progressing);
  if (endpoint.progressing && !rolling) setRolling(true);
  const { lines } = useLogs(
    { id: endpoint.id, reachable, follow: rolling, previous: false, pod: null, search: null },
    { pause: !alive && !rolling },
  );
  const under = useCallback(
    (events: LineFragment[]) => {
      const found = placed(lines, events);
      const newest = events.find((event) => found.has(event.cursor))?.cursor;
      return (event: LineFragment) => {
        const said = found.get(event.cursor);
        const open = endpoint.progressing && event.cursor === newest;
        if (said) return <Said lines={said.map((line) => ({ at: line.at, text: line.text }))} open={open} />;
        const kept = keptLines((event.data as { failure?: unknown } | null)?.failure);
        return kept.length > 0 && <Said lines={kept.map((text) => ({ text }))} open={false} />;
      };
    },
    [lines, endpoint.progressing],
  );
  const about = useMemo(() => ({ project, model }), [project, model]);
  const also = useMemo(() => (traffic ? [traffic] : []), [traffic]);
  return <Timeline about={about} subject={endpoint.id} also={also} under={under} />;
}

/** Folded: how many lines, and the last of them. */
function Said({ lines, open }: { lines: { at?: string; text: string }[]; open: boolean }) {
  const last = spoken(lines.at(-1)?.text ?? '').split('\n')[0];
  return (
    <details className="said" open={open || undefined} aria-live="off">
      <summary>
        <Text span size="xs" c="dimmed">
          {lines.length === 1 ? '1 line of its log' : `${lines.length} lines of its log`}
          {' · '}
        </Text>
        <span className="mono">{last}</span>
      </summary>
      <pre className="code" tabIndex={0} role="region" aria-label="What its pods wrote">
        {lines.map(({ at, text }) => `${at ? `${exactly(at).slice(11)}  ` : ''}${spoken(text)}\n`).join('')}
      </pre>
    </details>
  );
}
