// What happened, newest first, live: nothing missed after a lost connection, older lines on demand.
import { Anchor, Box, Button, Group, MultiSelect, SegmentedControl, Stack, Text } from '@mantine/core';
import { memo, useCallback, useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import { Link } from 'react-router';
import { useClient, type CombinedError } from 'urql';
import { TimelinePageDocument, type LineFragment, type Severity } from '@/graphql/generated';
import { useEvents, type About } from '@/graphql/live';
import { paths } from '@/paths';
import { Loading } from '@/shell/loading';
import { START, useAddress } from './address';
import { Empty } from './empty';
import { eventTypes } from './event-types';
import { merge } from './lines';
import { ErrorPanel } from './problems';
import { SeverityBadge } from './status';
import { useSubjects, type Subject } from './subjects';
import { exactly, When } from './when';

const SIZE = 50;
const NOWHERE = { first: null, after: null, last: null, before: null };

type Held = { lines: LineFragment[]; older: boolean; cursor: string };

/** Drawn again for its own news only: give it the same objects while they say the same. */
export const Timeline = memo(DrawnTimeline);

function DrawnTimeline(props: {
  about: About;
  /** What the page is about; its lines need not name it. */
  subject?: string;
  /** What else belongs on this timeline. */
  also?: string[];
  /** What stands under a line, given all lines that are held. */
  under?: (lines: LineFragment[]) => (line: LineFragment) => ReactNode;
}) {
  const { about, subject, also, under } = props;
  const address = useAddress();
  const severity = (['INFO', 'WARNING', 'ERROR'] as const).find((each) => each === address.one('severity')) ?? null;
  const types = address.all('type');
  const { held, error, again, older, busy } = useTimeline({
    about,
    subjects: subject === undefined ? null : [subject, ...(also ?? [])],
    severity,
    types,
  });
  const below = useMemo(() => under?.(held?.lines ?? []), [under, held]);
  const subjectOf = useSubjects(held?.lines ?? []);
  const filtered = severity !== null || types.length > 0;
  return (
    <Stack gap="sm">
      <Group gap="sm">
        <SegmentedControl
          size="sm"
          aria-label="How loud"
          value={severity ?? 'ALL'}
          onChange={(value) => address.set({ severity: value === 'ALL' ? null : value, ...START })}
          data={[
            { value: 'ALL', label: 'All' },
            { value: 'INFO', label: 'Info' },
            { value: 'WARNING', label: 'Warnings' },
            { value: 'ERROR', label: 'Errors' },
          ]}
        />
        <MultiSelect
          aria-label="Types of events"
          placeholder={types.length === 0 ? 'All types' : undefined}
          miw={260}
          maw={560}
          data={eventTypes}
          value={types}
          onChange={(next) => address.set({ type: next })}
          searchable
          clearable
        />
      </Group>
      {error && <ErrorPanel error={error} again={again} />}
      {!held && !error && <Loading />}
      {held && (
        <Box className="panel" component="section" aria-label="Timeline">
          {held.lines.length === 0 ? (
            <Empty title={filtered ? 'No event matches' : 'Nothing has happened yet'}>
              {filtered ? 'Loosen the filters above.' : 'Events appear here as they happen.'}
            </Empty>
          ) : (
            <ol className="timeline" aria-live="polite" aria-relevant="additions">
              {held.lines.map((line) => (
                <TimelineLine
                  key={line.cursor}
                  line={line}
                  subject={subjectOf(line.subject)}
                  own={line.subject === subject}
                  exact={line.subject === subject || also?.includes(line.subject)}
                  below={below?.(line)}
                />
              ))}
            </ol>
          )}
          {held.older && (
            <Group justify="center" p="sm">
              <Button size="xs" variant="default" onClick={older} loading={busy}>
                Older
              </Button>
            </Group>
          )}
        </Box>
      )}
    </Stack>
  );
}

/** One line: when, how loud, what, of what, by whom. */
export const TimelineLine = memo(DrawnLine);

function DrawnLine(props: {
  line: LineFragment;
  subject?: Subject;
  /** Whether the page is about that subject, and need not name it. */
  own?: boolean;
  /** Whether it says when to the millisecond. */
  exact?: boolean;
  below?: ReactNode;
}) {
  const { line, subject, own = false, exact = false } = props;
  const { project, model } = line;
  const about =
    subject ?? (project && model ? { name: model.name, to: paths.model(project.name, model.name) } : undefined);
  return (
    <li>
      <Text size="sm" c="dimmed" className="numbers" component="div">
        <When at={line.at} />
        {exact && (
          <Text size="xs" c="dimmed">
            {exactly(line.at).slice(11)}
          </Text>
        )}
      </Text>
      <span>
        <SeverityBadge severity={line.severity} />
      </span>
      <div>
        <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
          {line.message}
        </Text>
        <Text size="xs" c="dimmed">
          {line.type}
          {line.reason && ` · ${line.reason}`}
          {line.revision !== null && ` · revision ${line.revision}`}
          {about && !own && (
            <>
              {' · '}
              <Anchor component={Link} size="xs" to={about.to}>
                {about.name}
              </Anchor>
            </>
          )}
          {line.actor && ` · by ${line.actor}`}
        </Text>
        {props.below}
      </div>
    </li>
  );
}

type Wanted = { about: About; subjects: string[] | null; severity: Severity | null; types: string[] };

function useTimeline({ about, subjects, severity, types }: Wanted) {
  const client = useClient();
  const [held, setHeld] = useState<Held>();
  const [error, setError] = useState<CombinedError>();
  const [busy, setBusy] = useState(false);
  const latest = useRef<Held>(undefined);
  latest.current = held;
  const filter = {
    project: about.project ?? null,
    subjects,
    severity,
    types: types.length > 0 ? types : null,
  };
  const key = JSON.stringify(filter);
  const newest = useRef(key);
  newest.current = key;

  const read = useCallback(
    async (place: { last: number; before?: string } | { first: number; after: string }) => {
      const asked = key;
      const answer = await client
        .query(
          TimelinePageDocument,
          { ...(JSON.parse(asked) as typeof filter), ...NOWHERE, ...place },
          { requestPolicy: 'network-only' },
        )
        .toPromise();
      if (newest.current !== asked) return undefined;
      setError(answer.error);
      return answer.data?.events;
    },
    [client, key],
  );

  const begin = useCallback(async () => {
    const page = await read({ last: SIZE });
    if (page) setHeld({ lines: merge(page.nodes, []), older: page.hasMore, cursor: page.cursor });
  }, [read]);

  useEffect(() => {
    setHeld(undefined);
    void begin();
  }, [begin]);

  /** Everything after the newest line that is held; a log that was cut meanwhile is read anew. */
  const resume = useCallback(async () => {
    let now = latest.current;
    while (now) {
      const page = await read({ first: 100, after: now.cursor });
      if (!page) return void begin();
      now = { ...now, lines: merge(page.nodes, latest.current?.lines ?? now.lines), cursor: page.cursor };
      latest.current = now;
      setHeld(now);
      if (!page.hasMore) return;
    }
  }, [begin, read]);

  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const soon = () => {
    // Soon, and together: several lines come with one act.
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      void resume();
    }, 30);
  };
  useEvents(about, soon, soon);

  const older = async () => {
    const last = latest.current?.lines.at(-1);
    if (!last) return;
    setBusy(true);
    const page = await read({ last: SIZE, before: last.cursor });
    setBusy(false);
    if (page) setHeld((now) => now && { ...now, lines: merge(now.lines, page.nodes), older: page.hasMore });
  };
  return { held, error, again: () => void begin(), older: () => void older(), busy };
}
