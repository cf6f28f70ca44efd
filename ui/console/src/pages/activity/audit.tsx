import { Anchor, Stack, Text } from '@mantine/core';
import { useMemo } from 'react';
import { Link } from 'react-router';
import { AuditPageDocument, type AuditPageQuery } from '@/graphql/generated';
import { useLiveQuery } from '@/graphql/live';
import { problemOf } from '@/graphql/problem';
import { usePaging } from '@/parts/address';
import { Copyable } from '@/parts/copy';
import { Empty } from '@/parts/empty';
import { useSubjects, type Subject } from '@/parts/subjects';
import { DataTable, type ColumnDef } from '@/parts/table';
import { When } from '@/parts/when';
import { paths } from '@/paths';
import { AuditFilters, useAuditFilter } from './audit-filters';

type Entry = AuditPageQuery['audit']['nodes'][number];
const SIZE = 50;

export function Audit({ project, members }: { project: string; members: string[] }) {
  const { filter, filtered } = useAuditFilter();
  const paging = usePaging(SIZE);
  const asked = { project, ...filter, first: SIZE, after: paging.place.after };
  const [{ data, fetching, error }, again] = useLiveQuery(AuditPageDocument, asked, { project });
  const denied = error !== undefined && problemOf(error).code === 'PERMISSION_DENIED';
  const entries = data?.audit.nodes ?? [];
  const subjectOf = useSubjects([...entries, ...entries.flatMap(destinationsOf)]);
  const columns = useMemo(() => makeColumns(project, subjectOf), [project, subjectOf]);
  return (
    <Stack gap="sm">
      {!denied && <AuditFilters people={[...new Set([...members, ...entries.map(({ actor }) => actor)])].sort()} />}
      <DataTable
        label="Audit"
        columns={columns}
        list={data?.audit}
        asked={asked}
        fetching={fetching}
        error={error}
        again={again}
        paging={paging}
        noun={['entry', 'entries']}
        empty={
          filtered ? (
            <Empty title="No entry matches">Loosen the filters above.</Empty>
          ) : (
            <Empty title="Nobody has changed anything yet" />
          )
        }
      />
    </Stack>
  );
}

type SubjectOf = (id: string) => Subject | undefined;

function makeColumns(project: string, subjectOf: SubjectOf): ColumnDef<Entry>[] {
  return [
    { id: 'at', header: 'When', meta: { width: 110 }, cell: ({ row }) => <When at={row.original.at} /> },
    { id: 'actor', header: 'Who', cell: ({ row }) => row.original.actor },
    {
      id: 'action',
      header: 'What',
      cell: ({ row: { original: entry } }) => (
        <>
          <Text size="sm">{entry.action}</Text>
          <About
            entry={entry}
            subject={
              entry.subjectType === 'Project' ? { name: project, to: paths.project(project) } : subjectOf(entry.subject)
            }
          />
        </>
      ),
    },
    { id: 'change', header: 'Change', cell: ({ row }) => <Change entry={row.original} subjectOf={subjectOf} /> },
    {
      id: 'request',
      header: 'Request',
      meta: { width: 160 },
      cell: ({ row }) => (
        <Text size="xs" maw={150} component="div">
          <Copyable text={row.original.requestId} what="Copy the request's id" />
        </Text>
      ),
    },
  ];
}

function About({ entry, subject }: { entry: Entry; subject?: Subject }) {
  return subject ? (
    <Anchor component={Link} to={subject.to} size="xs">
      {subject.name}
    </Anchor>
  ) : (
    <Text size="xs" c="dimmed">
      {kinds[entry.subjectType] ?? entry.subjectType.toLowerCase()} {nameIn(entry.after) ?? nameIn(entry.before)}
    </Text>
  );
}

const kinds: Record<string, string> = { VersionEndpoint: 'version endpoint', ModelEndpoint: 'model endpoint' };

/** What is gone by now is named as it was. */
const nameIn = (state: unknown): string | undefined => {
  const { name } = asObject(state);
  return typeof name === 'string' ? name : undefined;
};

type Rule = { destinations: { version_endpoint_id: string; weight: number }[] };

const destinationsOf = ({ before, after }: Pick<Entry, 'before' | 'after'>) =>
  [before, after]
    .map((state) => asObject(state).desired_rule as Rule | null | undefined)
    .flatMap((rule) => rule?.destinations ?? [])
    .map((each) => ({ subject: each.version_endpoint_id, subjectType: 'VersionEndpoint' }));

// How often it was changed, and what was applied at that moment: nothing that somebody did.
const UNSAID = new Set(['generation', 'observed_rule']);

/** The fields that became something else, in words. */
export function changesOf(
  before: unknown,
  after: unknown,
  subjectOf: SubjectOf = () => undefined,
): { field: string; from: string; to: string }[] {
  const [was, is] = [asObject(before), asObject(after)];
  const fields = [...new Set([...Object.keys(was), ...Object.keys(is)])];
  return fields
    .filter((field) => !UNSAID.has(field))
    .filter((field) => JSON.stringify(was[field] ?? null) !== JSON.stringify(is[field] ?? null))
    .map((field) =>
      field === 'desired_rule'
        ? { field: 'traffic', from: ruled(was[field], subjectOf), to: ruled(is[field], subjectOf) }
        : { field: field.replaceAll('_', ' '), from: shown(was[field]), to: shown(is[field]) },
    );
}

const ruled = (rule: unknown, subjectOf: SubjectOf): string =>
  (rule as Rule | null | undefined)?.destinations
    .map((each) => `${each.weight} % to ${subjectOf(each.version_endpoint_id)?.name ?? 'a version'}`)
    .join(', ') || 'none';

function Change({ entry, subjectOf }: { entry: Entry; subjectOf: SubjectOf }) {
  const changes = changesOf(entry.before, entry.after, subjectOf);
  if (changes.length === 0)
    return (
      <Text size="sm" c="dimmed">
        –
      </Text>
    );
  return (
    <details>
      <summary>
        <Text span size="sm">
          {changes.map(({ field }) => field).join(', ')}
        </Text>
      </summary>
      {changes.map(({ field, from, to }) => (
        <Text key={field} size="xs" style={{ overflowWrap: 'anywhere' }}>
          <b>{field}</b>: {from} → {to}
        </Text>
      ))}
    </details>
  );
}

const asObject = (value: unknown): Record<string, unknown> =>
  value !== null && typeof value === 'object' && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : value === null || value === undefined
      ? {}
      : { value };

function shown(value: unknown): string {
  if (value === undefined || value === null || value === '') return 'nothing';
  if (typeof value === 'string') return value;
  const within = Object.entries(asObject(value));
  if (Array.isArray(value) || within.some(([, each]) => typeof each === 'object')) return JSON.stringify(value);
  if (typeof value !== 'object') return String(value);
  return within.map(([key, each]) => `${key}: ${each}`).join(', ') || 'nothing';
}
