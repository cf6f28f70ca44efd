// Why it failed: the cause, what to do, and what was seen.
import { Group, Stack, Text, Title } from '@mantine/core';
import { IconCircleX } from '@tabler/icons-react';
import { useState } from 'react';
import type { RevisionLineFragment } from '@/graphql/generated';
import { CodeBlock } from '@/parts/copy';
import { Facts } from '@/parts/facts';
import { value } from '@/parts/value';
import type { Endpoint } from './endpoint';
import { spoken } from './log-text';

type Evidence = {
  pod?: string;
  container?: string;
  exit_code?: number;
  event?: string;
  log_tail?: string[];
  details?: Record<string, unknown>;
};

export function Cause(props: {
  failure: NonNullable<Endpoint['failure']>;
  endpoint: Endpoint;
  newest: RevisionLineFragment | undefined;
}) {
  const { failure, endpoint, newest } = props;
  const { pod, container, exit_code, event, log_tail, details, ...others } = (failure.evidence ?? {}) as Evidence;
  const { log, conflicts, ...more } = details ?? {};
  const still = endpoint.activeRevision;
  return (
    <Stack className="panel cause" p="md" gap="sm" component="section" aria-label="Root cause">
      <Group gap="sm" wrap="nowrap" align="flex-start">
        <IconCircleX size={20} color="var(--merlin-bad)" aria-hidden style={{ flexShrink: 0, marginTop: 2 }} />
        <Title order={2} style={{ overflowWrap: 'anywhere' }}>
          {failure.message}
        </Title>
      </Group>
      <Text size="sm">
        <strong>To mend it:</strong> {failure.fix}
      </Text>
      {still && newest?.failure && (
        <Text size="sm">
          Revision {newest.number} failed; revision {still.number} goes on answering.
        </Text>
      )}
      <Facts
        facts={[
          ['Cause', <code key="c">{failure.code}</code>],
          ['Pod', pod && <span className="mono">{pod}</span>],
          ['Container', container && <span className="mono">{container}</span>],
          ['Exit code', exit_code],
          ['Cluster says', event],
          ...Object.entries({ ...more, ...others }).map(([name, what]): [string, string] => [named(name), value(what)]),
        ]}
      />
      {Array.isArray(conflicts) && <Conflicts conflicts={conflicts as Conflict[]} />}
      {typeof log === 'string' && log !== '' && <CodeBlock label="What it said" text={log} maxHeight={280} atEnd />}
      {log_tail && log_tail.length > 0 && <Tail lines={log_tail} open={typeof log !== 'string'} />}
    </Stack>
  );
}

/** A key of the evidence, as the other names stand. */
const named = (key: string) => key.charAt(0).toUpperCase() + key.slice(1).replaceAll('_', ' ');

function Tail({ lines, open: first }: { lines: string[]; open: boolean }) {
  const [open, setOpen] = useState(first);
  return (
    <details open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <Text span size="sm">
          {lines.length === 1 ? 'The last line of its log' : `The last ${lines.length} lines of its log`}
        </Text>
      </summary>
      {open && (
        <CodeBlock
          label="The last lines of its log"
          text={lines.map((line) => spoken(line)).join('\n')}
          maxHeight={280}
          atEnd
        />
      )}
    </details>
  );
}

type Conflict = { name: string; wanted: string; found: string | null };

function Conflicts({ conflicts }: { conflicts: Conflict[] }) {
  return (
    <Facts
      facts={conflicts.map(({ name, wanted, found }): [string, string] => [
        name,
        `wanted ${wanted || 'any'}, ${found === null ? 'not installed' : `here is ${found}`}`,
      ])}
    />
  );
}
