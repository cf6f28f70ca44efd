// What the endpoint's pods write: follow, search, the container before a restart, download.
import { Button, Group, Select, Stack, Switch, Text, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconDownload, IconSearch } from '@tabler/icons-react';
import { useEffect, useLayoutEffect, useMemo, useRef, useState, type ReactNode, type RefObject } from 'react';
import { ProblemPanel } from '@/parts/problems';
import { Badge } from '@/parts/status';
import { exactly } from '@/parts/when';
import { useAddress } from '@/parts/address';
import { CodeBlock } from '@/parts/copy';
import type { Of } from './endpoint';
import { useLogFile } from './log-file';
import { MOST_LINES, useLogs, type LogLine, type LogStream } from './log-stream';
import { readable, spoken } from './log-text';
import type { Pod } from './pods';
import { keptLines } from './said';

const SEARCH_MS = 300;
const LONGEST_SEARCH = 200;

export default function Logs({ of, pods: alive }: { of: Of; pods: Pod[] | undefined }) {
  const { one, set } = useAddress();
  const [follow, setFollow] = useState(true);
  const previous = one('previous') !== null;
  const raw = one('raw') !== null;
  const pod = one('pod');
  const [sought, setSought] = useState(one('search') ?? '');
  const [search] = useDebouncedValue(sought.trim(), SEARCH_MS);
  useEffect(() => set({ search }, { replace: true }), [search, set]);
  const [tail, setTail] = useState<number>();
  const asked = { id: of.endpoint.id, previous, pod, search: search || null };
  const stream = useLogs({ ...asked, tail, reachable: of.reachable, follow: follow && !previous });
  const file = useLogFile(of, asked, stream);
  const box = useRef<HTMLDivElement>(null);
  const { lines } = stream;
  const gone = alive?.length === 0;
  const offered = useMemo(() => offeredPods(alive, lines, pod), [alive, lines, pod]);
  return (
    <section className="panel" aria-label="Logs" aria-busy={stream.state === 'opening'}>
      <Group p="sm" gap="md">
        <TextInput
          size="xs"
          w={240}
          aria-label="Search the log"
          placeholder="Search"
          leftSection={<IconSearch size={14} aria-hidden />}
          value={sought}
          maxLength={LONGEST_SEARCH}
          onChange={(event) => setSought(event.currentTarget.value)}
        />
        <Select
          size="xs"
          w={280}
          aria-label="Pod"
          placeholder="All pods"
          clearable
          value={pod}
          onChange={(to) => set({ pod: to })}
          data={offered}
        />
        <Switch
          size="xs"
          label="Follow"
          checked={follow && !previous}
          disabled={previous}
          onChange={(event) => setFollow(event.currentTarget.checked)}
        />
        <Switch
          size="xs"
          label="Container before the restart"
          checked={previous}
          onChange={(event) => set({ previous: event.currentTarget.checked ? '1' : null })}
        />
        <Switch
          size="xs"
          label="Raw lines"
          checked={raw}
          onChange={(event) => set({ raw: event.currentTarget.checked ? '1' : null })}
        />
        <Group gap="sm" ml="auto">
          <State stream={stream} following={follow && !previous} gone={gone} />
          <Button
            size="compact-xs"
            variant="default"
            disabled={lines.length === 0}
            leftSection={<IconDownload size={14} aria-hidden />}
            loading={file.busy}
            onClick={file.save}
          >
            Download
          </Button>
        </Group>
      </Group>
      {stream.state === 'failed' && stream.problem && (
        <div className="log-problem">
          <ProblemPanel problem={stream.problem} again={stream.again} />
        </div>
      )}
      {file.problem && (
        <div className="log-problem">
          <ProblemPanel problem={file.problem} again={file.save} />
        </div>
      )}
      <Older
        stream={stream}
        read={() => {
          setTail(MOST_LINES);
          box.current?.focus();
        }}
      />
      <Lines box={box} stream={stream} search={search} many={offered.length > 1} raw={raw}>
        {gone ? <Gone of={of} raw={raw} /> : nothing(stream.state, search, previous)}
      </Lines>
    </section>
  );
}

/** Those that can be asked, and those that have written what is shown. */
function offeredPods(alive: Pod[] | undefined, lines: LogLine[], chosen: string | null): string[] {
  const names = [...(alive ?? []).map(({ name }) => name), ...lines.map((line) => line.pod)];
  return [...new Set(chosen === null ? names : [chosen, ...names])].sort();
}

/** That the log does not begin with the first line shown, and the way to more. */
function Older({ stream, read }: { stream: LogStream; read: () => void }) {
  const { partial, cut, lines } = stream;
  if (!partial && !cut) return null;
  const isFull = cut || lines.length >= MOST_LINES;
  return (
    <Group gap="sm" px="sm" pb="xs">
      <Text size="xs" c="dimmed">
        {isFull
          ? `Only the last ${MOST_LINES.toLocaleString('en')} lines can be here; older ones are left out.`
          : 'Only the last lines were read; there may be older ones.'}
      </Text>
      {!isFull && (
        <Button size="compact-xs" variant="subtle" loading={stream.state === 'opening'} onClick={read}>
          Read up to {MOST_LINES.toLocaleString('en')}
        </Button>
      )}
    </Group>
  );
}

function State(props: { stream: LogStream; following: boolean; gone: boolean }) {
  const { stream, following, gone } = props;
  const last = stream.partial || stream.cut ? 'the last ' : '';
  const count = `${last}${stream.lines.length.toLocaleString('en')} ${stream.lines.length === 1 ? 'line' : 'lines'}`;
  if (stream.state === 'failed') return <Badge tone="bad" word="Cannot be read now" />;
  if (gone && stream.lines.length === 0) return <Badge tone="off" word="No pod" />;
  if (stream.state === 'reading' && following && !gone)
    return <Badge tone="busy" word={`Following, ${count}`} spin={false} />;
  return <Badge tone="off" word={count} />;
}

function Lines(props: {
  box: RefObject<HTMLDivElement | null>;
  stream: LogStream;
  search: string;
  many: boolean;
  raw: boolean;
  /** In place of lines where there are none. */
  children: ReactNode;
}) {
  const { box, stream, search, many, raw } = props;
  const atEnd = useRef(true);
  const toEnd = useRef(0);
  useEffect(() => {
    if (atEnd.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [stream.lines]);
  // Older lines come above those that one looks at.
  const first = stream.lines[0]?.cursor;
  useLayoutEffect(() => {
    if (!atEnd.current && !stream.cut && box.current) box.current.scrollTop = box.current.scrollHeight - toEnd.current;
  }, [first]);
  if (stream.lines.length === 0 && stream.state === 'failed') return null;
  if (stream.lines.length === 0)
    return (
      <Text
        size="sm"
        c="dimmed"
        p="md"
        component="div"
        style={{ borderTop: '1px solid var(--mantine-color-default-border)' }}
      >
        {props.children}
      </Text>
    );
  return (
    <div
      ref={box}
      className="log"
      role="log"
      aria-label="Lines of the log"
      aria-live="off"
      tabIndex={0}
      onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
        toEnd.current = scrollHeight - scrollTop;
        atEnd.current = toEnd.current - clientHeight < 24;
      }}
    >
      {stream.lines.map((line) => (
        <div key={line.cursor} className="log-line">
          <span className="log-at" title={`${exactly(line.at)} · ${line.pod}`}>
            {exactly(line.at).slice(11)}
          </span>
          {many && <span className="log-pod">{line.pod.slice(-5)}</span>}
          <LineText text={line.text} search={search} raw={raw} />
        </div>
      ))}
    </div>
  );
}

/** What a line says, the loud ones by icon and word; as it was written where that is wanted, or where the search found it. */
function LineText({ text, search, raw }: { text: string; search: string; raw: boolean }) {
  const said = raw ? undefined : readable(text);
  const whole = said && [said.message, said.more, said.exception].filter(Boolean).join(' ');
  if (!said || !whole?.toLowerCase().includes(search.toLowerCase()))
    return (
      <span className="log-text">
        <Marked text={text} search={search} />
      </span>
    );
  return (
    <span className="log-text" title={text}>
      {said.level && said.level !== 'info' && <Level of={said.level} />}
      <Marked text={said.message} search={search} />
      {said.more && (
        <span className="log-note">
          {' '}
          <Marked text={said.more} search={search} />
        </span>
      )}
      {said.exception && (
        <>
          {'\n'}
          <Marked text={said.exception} search={search} />
        </>
      )}
    </span>
  );
}

function Level({ of }: { of: string }) {
  const tone = /^(err|crit|fatal)/.test(of) ? 'bad' : of.startsWith('warn') ? 'warn' : 'off';
  return <strong style={tone === 'off' ? undefined : { color: `var(--merlin-${tone})` }}>{of} </strong>;
}

/** No pod is left that could tell: why, and what was kept of one that failed. */
function Gone({ of, raw }: { of: Of; raw: boolean }) {
  const { lifecycle, failure } = of.endpoint;
  const kept = keptLines(failure);
  const why =
    lifecycle === 'TERMINATED'
      ? 'It is undeployed: no pod is left to follow.'
      : lifecycle === 'PENDING'
        ? 'It has no pod yet.'
        : 'No pod is left to follow.';
  if (kept.length === 0) return why;
  return (
    <Stack gap="xs">
      <span>{why} The last lines before it failed were kept:</span>
      <CodeBlock
        label="Lines that were kept"
        text={kept.map((text) => (raw ? text : spoken(text))).join('\n')}
        maxHeight={420}
        atEnd
      />
    </Stack>
  );
}

function nothing(state: LogStream['state'], search: string, previous: boolean): string {
  if (state === 'opening') return 'Reading …';
  if (search) return `No line holds “${search}” so far; the last 5,000 lines of each pod were looked through.`;
  if (previous && state === 'over') return 'No container ran before: nothing has restarted.';
  return state === 'over' ? 'Nothing was written, or no pod is left to tell.' : 'Nothing is written yet.';
}

/** Each place where the sought text stands, whatever the case. */
function Marked({ text, search }: { text: string; search: string }) {
  if (!search) return text;
  const parts = [];
  const low = text.toLowerCase();
  const wanted = search.toLowerCase();
  let from = 0;
  for (let at = low.indexOf(wanted); at >= 0; at = low.indexOf(wanted, from)) {
    parts.push(text.slice(from, at), <mark key={at}>{text.slice(at, at + wanted.length)}</mark>);
    from = at + wanted.length;
  }
  return [...parts, text.slice(from)];
}
